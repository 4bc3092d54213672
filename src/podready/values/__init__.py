"""Values that people write as text: booleans, durations, sizes; and names they may misspell.

Flags, environment variables and TOML files are read by these modules, so that one text means the
same in all of them. A ValueError's text says what was expected: the second half of the sentence
`"soon" is not ...`. Booleans are read here, for nearly every process reads one.
"""

from __future__ import annotations

from typing import Final

_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "on": True}
_BOOLEANS.update({"false": False, "0": False, "no": False, "off": False})


def parse_boolean(text: str) -> bool:
    """Return the boolean that `text` stands for; ValueError says what was expected."""
    value = _BOOLEANS.get(text.strip().lower())
    if value is None:
        raise ValueError("a boolean: use true or false")
    return value
