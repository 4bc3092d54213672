"""The kinds of values that settings of `podready run` have, and how their texts are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.options.secret_files import parse_token
from podready.values import parse_boolean
from podready.values.durations import parse_seconds
from podready.values.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable


_ROOT_PATH: Final = r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*"
"""Not compiled before somebody sets one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a setting's text becomes its value; `parse` raises ValueError saying what it expected."""

    metavar: str
    parse: Callable[[str], Any]


def _integer(lowest: int, highest: int, noun: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.strip().isdecimal() or not lowest <= int(text) <= highest:
            raise ValueError(f"{noun} from {lowest} to {highest}")
        return int(text)

    return parse


def choice(*words: str) -> Kind:
    """Return the kind of a setting that is one of `words`, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError("one of " + ", ".join(words))
        return text.lower()

    return Kind("|".join(words), parse)


def _parse_root_path(text: str) -> str:
    path = text.strip().rstrip("/")
    if path and (re.fullmatch(_ROOT_PATH, path) is None or "//" in path):
        raise ValueError("a path such as /api, without query and percent signs")
    return path


TEXT = Kind("TEXT", str)
DURATION = Kind("DURATION", parse_seconds)
ROOT_PATH = Kind("PATH", _parse_root_path)
PORT = Kind("PORT", _integer(0, 65535, "a port"))
COUNT = Kind("N", _integer(1, 1024, "a whole number"))
LIMIT = Kind("N", _integer(0, 1_000_000_000, "a whole number"))
SWITCH = Kind("BOOL", parse_boolean)
SIZE = Kind("SIZE", parse_size)
SECRET = Kind("PATH", parse_token)
