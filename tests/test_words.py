"""The names are the field's: no name of the project's former private language is left.

A name has to say to a reader who knows Kubernetes, ASGI or Prometheus what a thing is. The lists
below are names that did not; docs/reference/glossary.md has the ones to use.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "podready"
THIS = Path(__file__)
FOLDERS = ("src", "tests", "scripts", "benchmarks", "examples")

OLD_NAMES = frozenset(
    """
    AsgiFace beat Beat Begun caller_headers calling Door Fates ForeignDrain Given
    go_to_meeting hand_over harmless headers_read helper_link Home last_beat Later let_pass
    loguru_front METER Meter near_miss note_stage Notice Played prints put_over Refused Rotation
    Said said_by shadow shadow_of Shape shaper SharedShelf shed sound_level Stretch stretches
    structlog_front take_over takeover Teller unless_told UnusableError Vitals when_given Wiring
    Word Work Wrapper WsgiFace
    """.split()  # noqa: SIM905 - a list of names reads best as text
)
"""Names as a whole, underscores in front not counted."""

VAGUE_NAMES = frozenset(["given", "ours", "said", "theirs", "told"])
"""Names that say nothing of what they hold; tests, which tell stories, may have them."""

OLD_PARTS = frozenset(
    """
    audience cure deaf desk dialect door doors fates fleet greet heed household keeper ledger
    meeting patience remedies remedy rotation shedding shelf shelves standing standings strange
    stranger strangers surroundings upkeep vitals warming whoever wiring workshop
    """.split()  # noqa: SIM905 - the same
)
"""Words that no name has among its parts."""

OLD_PHRASES = re.compile(
    r"\b(shelf|shelves|whoever|shall|household|workshop|ground floor|street door|knows? not|no ears"
    r"|in vain|name tag|shown out|upkeep|deaf|surroundings|remed(?:y|ies)|cures?|foreign server"
    r"|voice back|stands worst|near miss|nought|podready config|--grace-period[ =`])(?!\w)",
    re.IGNORECASE,
)
"""Words and turns that no text has, be it code, comment, docstring or page."""

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def python_files() -> Iterator[Path]:
    """Yield the project's Python files but this one."""
    for folder in FOLDERS:
        yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if path != THIS)


def names_of(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each name that a module defines or uses, with its line, and the module's own."""
    yield path.stem, 1
    yield path.parent.name, 1
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        line = getattr(node, "lineno", 1)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, line
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or "", line
        elif isinstance(node, ast.Name):
            yield node.id, line
        elif isinstance(node, ast.Attribute):
            yield node.attr, line


def is_old(name: str) -> bool:
    """Whether a name is of the old language, as a whole or in one of its parts."""
    bare = name.strip("_")
    parts = {part.lower() for part in _PARTS.findall(bare)}
    return bare in OLD_NAMES or not OLD_PARTS.isdisjoint(parts)


def old_names(path: Path) -> Iterator[str]:
    """Yield `file:line: name` for each old name of a module."""
    place = path.relative_to(ROOT)
    vague = VAGUE_NAMES if path.is_relative_to(SRC) else frozenset[str]()
    for name, line in names_of(path):
        if is_old(name) or name.strip("_") in vague:
            yield f"{place}:{line}: {name}"


def texts() -> Iterator[Path]:
    """Yield what people read: code, pages, manifests; decisions and the changelog are history."""
    yield from python_files()
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile"))
    for folder in ("docs", "examples", "benchmarks", "deploy"):
        yield from (
            path
            for path in sorted((ROOT / folder).rglob("*"))
            if path.suffix in {".md", ".toml", ".yaml", ".yml", ".json"}
            and "decisions" not in path.parts
        )


def old_phrases(path: Path) -> Iterator[str]:
    """Yield `file:line: words` for each old turn of a text."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for match in OLD_PHRASES.finditer(line):
            yield f"{path.relative_to(ROOT)}:{number}: {match[0]}"


def test_no_name_is_of_the_old_language() -> None:
    """Classes, functions, parameters, variables, attributes, modules and folders."""
    assert [line for path in python_files() for line in old_names(path)] == []


def test_no_text_is_in_the_old_language() -> None:
    """Comments, docstrings, messages, pages, manifests."""
    assert [line for path in texts() for line in old_phrases(path)] == []


def test_each_class_has_a_name_of_its_own() -> None:
    """Two classes of one name mean two things by one word."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(SRC)}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


@pytest.mark.parametrize("name", ["_Door", "shelf_of", "go_to_meeting", "last_beat", "WsgiFace"])
def test_an_old_name_is_seen(name: str) -> None:
    """The list is read: whole names, and words among the parts of a name."""
    assert is_old(name)


@pytest.mark.parametrize("name", ["outdoor", "heartbeat", "SharedMemory", "worker", "standard"])
def test_a_name_that_only_resembles_an_old_one_is_fine(name: str) -> None:
    """Parts are whole words."""
    assert not is_old(name)
