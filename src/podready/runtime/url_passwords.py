"""Passwords of URLs are cut out of every line: `postgres://app:[redacted]@db/`.

People put passwords into URLs as they are, unescaped `@`, `/`, `"` and backslashes included, and
clients take them: the last `@` of the word ends the password. A word ends at white space or at a
quote that closes. What can also be read as a port, digits before a `/`, is left alone, as in
`http://host:8080/@me`. Each byte is read a fixed number of times, so the length of what a
client sends does not matter.
"""

from __future__ import annotations

import re
from typing import Final

STARS: Final = "[redacted]"

_USER: Final = re.compile(rb'://[^\s/:"\\\[]*+:')
_WORD: Final = re.compile(
    rb'(?:[^\s"\\]++'
    rb'|\\[^nrtbf"]'  # in JSON a backslash is two
    rb'|\\?"(?![\s,:;}\])]|\\[nrt]|$)'  # a quote in the middle of the word
    rb")*+"
)
_BARE_WORD: Final = re.compile(rb'(?:[^\s"]++|"(?![\s,:;}\])]|$))*+')
_PORT: Final = re.compile(rb"\d{1,5}(?=[/?#\"\\,;)'])")


def without_passwords(line: bytes, *, bare: bool = False) -> bytes:
    """Return JSON, or a `bare` text, without the passwords of the URLs in it."""
    word = _BARE_WORD if bare else _WORD
    pieces: list[bytes] = []
    done = end = at = 0  # up to where it is copied; the end of this word, and its last @
    for found in _USER.finditer(line):
        begin = found.end()
        if begin < done:
            continue
        if begin >= end:
            whole = word.match(line, begin)
            end = whole.end() if whole else begin
            at = line.rfind(b"@", begin, end)
        if at > begin and not _PORT.match(line, begin):
            pieces += line[done:begin], STARS.encode()
            done = at
    return b"".join((*pieces, line[done:])) if pieces else line
