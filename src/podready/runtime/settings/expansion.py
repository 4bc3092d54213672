"""`${NAME}` in the text of a variable that asked for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from podready.runtime.settings.load import UnusableError

if TYPE_CHECKING:
    from podready.runtime.settings.load import Environment
    from podready.runtime.settings.schema import Variable
    from podready.runtime.settings.sources import Sources

_REFERENCE: Final = re.compile(r"\$(\$?)\{(\w+)(?::-([^}]*))?\}", re.ASCII)


def expand(variable: Variable, text: str, sources: Environment | Sources) -> str:
    """Replace `${X}` and `${X:-default}` by other variables; `$${X}` stays `${X}`."""

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        given = sources.find(found[2])
        if given is None and found[3] is None:
            what = f"refers to ${{{found[2]}}}, which is not set"
            raise UnusableError(variable.name, what)
        return given.text if given and (given.text or found[3] is None) else found[3]

    return _REFERENCE.sub(value, text)
