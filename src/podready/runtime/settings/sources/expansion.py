"""References such as `${NAME}` in the texts of variables that have `expand`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from podready.runtime.settings.environment import SourceError

if TYPE_CHECKING:
    from podready.runtime.settings.environment import Environment
    from podready.runtime.settings.schema import Variable
    from podready.runtime.settings.sources import Sources

_REFERENCE: Final = re.compile(r"\$(\$?)\{(\w+)(?::-([^}]*))?\}", re.ASCII)


def expand(variable: Variable, text: str, sources: Environment | Sources) -> str:
    """Replace `${X}` and `${X:-default}` by other variables; `$${X}` stays `${X}`."""

    def value(reference: re.Match[str]) -> str:
        dollar, name, default = reference.groups()
        if dollar:
            return reference[0][1:]
        raw = sources.find(name)
        if raw is None and default is None:
            raise SourceError(variable.name, f"refers to ${{{name}}}, which is not set")
        return raw.text if raw and (raw.text or default is None) else default

    return _REFERENCE.sub(value, text)
