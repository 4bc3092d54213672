"""The app as the command line names it: MODULE:ATTR, or MODULE:FACTORY() for a factory."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from podready.errors import UsageError

_NAME: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_TARGET: Final = rf"({_NAME}):({_NAME})(\(\))?"
_CALL: Final = rf"(?s)({_NAME}):({_NAME})\(.*\)"


class AppTarget(NamedTuple):
    """A target taken apart; `called` says that it ends with parentheses."""

    module: str
    attribute: str
    called: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}" + ("()" if self.called else "")


def parse_target(text: str, app_dir: str = ".") -> AppTarget:
    """Return the target that `text` is, as MODULE:ATTR or MODULE:FACTORY().

    Raises UsageError with the spelling that was probably meant: a file's path, a forgotten
    attribute and arguments of a factory are looked up in the files below `app_dir`.
    """
    match = re.fullmatch(_TARGET, text)
    if match is not None and not match[1].endswith(".py"):
        return AppTarget(match[1], match[2], match[3] is not None)
    call = re.fullmatch(_CALL, text)
    if call is not None:
        raise UsageError(
            f"{text!r} calls the factory with arguments, and podready calls it without: say "
            f"{call[1]}:{call[2]}(), and let it read its settings from the environment"
        )
    from podready.runtime.options.app_spelling import likely_target

    likely = likely_target(text, app_dir)
    hint = f"did you mean {likely}?" if likely else "for example main:app"
    raise UsageError(f"{text!r} is not MODULE:ATTR; {hint}")
