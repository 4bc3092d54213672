"""`.env` files are read as python-dotenv reads them, and what is no entry is named by its line."""

from __future__ import annotations

import io

import dotenv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.runtime.settings.sources.dotenv import NotDotenvError, parse_dotenv

FILE = """\
# a comment
PLAIN=value with spaces   # and a comment
  export EXPORTED = yes

EMPTY=
HASH=a#b
SINGLE='a $x "b" \\n'   # c
DOUBLE="line one\\nline \\"two\\""
LONG="first
second"
URL=postgres://u:p@h/d?x=1
AFTER=1
"""


def values(text: str) -> dict[str, str]:
    """Return the entries as a dict."""
    return {line.name: line.text for line in parse_dotenv(text)}


def test_the_format_is_python_dotenvs() -> None:
    """The same file, read by both."""
    peer = dotenv.dotenv_values(stream=io.StringIO(FILE), interpolate=False)
    assert values(FILE) == peer
    assert values(FILE.replace("\n", "\r\n")) == peer
    assert values("\ufeff" + FILE) == peer


@pytest.mark.parametrize(
    ("text", "number"),
    [("A=1\nnonsense\n", 2), ("=1", 1), ("A='open\n", 1), ("\n\n1A=x", 3), ('A="x" y', 1)],
)
def test_what_is_no_entry_is_named_by_its_line(text: str, number: int) -> None:
    """A line that would be ignored silently elsewhere is a mistake here."""
    with pytest.raises(NotDotenvError) as raised:
        parse_dotenv(text)
    assert raised.value.number == number


def test_lines_count_through_values_of_several_lines() -> None:
    """Each entry knows the line it begins on."""
    assert [line.number for line in parse_dotenv('A="1\n2"\n\nB=3\n')] == [1, 4]


@pytest.mark.slow
@given(st.text().filter(lambda text: "\r" not in text))
def test_every_value_reads_back_from_double_quotes(text: str) -> None:
    """What `podready settings --format env` writes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    assert values(f'A="{escaped}"\nB=1') == {"A": text, "B": "1"}


@given(st.text())
def test_any_file_gives_entries_or_the_error(text: str) -> None:
    """Nothing else comes out."""
    try:
        assert all(line.name and line.number for line in parse_dotenv(text))
    except NotDotenvError:
        pass
