"""The walls that import-linter cannot see, and the drawing held against the tree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "podready"
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
MODULES = sorted(SRC.rglob("*.py"))


@cache
def calls(path: Path) -> list[tuple[str, int]]:
    """Return each dotted name that a module calls, with its line."""
    return [
        (ast.unparse(node.func), node.lineno)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def offenders(names: set[str], allowed: set[str]) -> list[str]:
    """Return `file:line name` for each call of one of `names` outside the allowed files."""
    return [
        f"{path.relative_to(SRC)}:{line} {name}"
        for path in MODULES
        if str(path.relative_to(SRC)) not in allowed
        for name, line in calls(path)
        if name in names
    ]


def test_only_the_console_prints() -> None:
    """Wall 7: one printer, so that quiet, colours and --json have one home."""
    assert offenders({"print", "click.echo", "click.secho"}, {"cli/console.py"}) == []


def test_the_workshop_reads_the_wall_clock_through_the_clock() -> None:
    """Wall 7: `datetime.now` and `time.time` stand in clock.py (and in the runtime, apart)."""
    found = offenders({"datetime.now", "datetime.utcnow", "time.time"}, {"clock.py"})
    assert [line for line in found if not line.startswith("runtime/")] == []


def test_nobody_waits_in_a_way_that_swallows_a_cancellation() -> None:
    """`asyncio.wait_for` of Python 3.11 does when both come at once; `asyncio.timeout` does not."""
    assert offenders({"asyncio.wait_for"}, set()) == []


def imported_modules(path: Path) -> Iterator[str]:
    """Yield each module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_few_doors_lead_into_the_runtime() -> None:
    """Wall 3: the public face, `podready run`, and `podready config`, which reads classes only."""
    doors = {"__init__.py", "testing.py", "cli/run.py"}
    doors |= {
        "cli/config.py",
        "cli/config_forms.py",
        "cli/config_manifests.py",
        "cli/config_diff.py",
    }
    outside = [path for path in MODULES if not path.is_relative_to(SRC / "runtime")]
    found = {
        str(path.relative_to(SRC))
        for path in outside
        if any(name.startswith("podready.runtime") for name in imported_modules(path))
    }
    assert found - doors == set()


def test_the_runtime_uses_the_wall_clock_for_stamps_only() -> None:
    """A clock set back moves no deadline: `time.time` is read for log lines and exemplars only."""
    found = offenders({"datetime.now", "datetime.utcnow", "time.time", "time.time_ns"}, set())
    stamps = ("runtime/logs/", "runtime/requests/observer.py")
    runtime = [line for line in found if line.startswith("runtime/")]
    assert [line for line in runtime if not line.startswith(stamps)] == []


def test_no_attic() -> None:
    """A file is named for its idea: no utils, helpers, common, misc."""
    attic = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [path for path in MODULES if path.stem in attic or path.parent.name in attic] == []


def test_every_module_says_what_it_is_for() -> None:
    """Each module opens with a docstring."""
    bare = [p for p in MODULES if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))]
    assert bare == []


def test_every_room_of_the_drawing_exists_and_every_room_is_drawn() -> None:
    """The table of rooms in architecture.md is the tree, no more and no less."""
    table = PAGE.read_text(encoding="utf-8").split("## The rooms")[1].split("## The walls")[0]
    drawn = set(re.findall(r"^\| `([^`]+)`", table, flags=re.MULTILINE))
    assert [room for room in drawn if not (SRC / room).exists()] == []
    folders = {f"{p.parent.relative_to(SRC)}/" for p in SRC.rglob("__init__.py")} - {"./"}
    inner: set[str] = set()
    undrawn = {f for f in folders if f not in drawn and not _drawn_by_parent(f, drawn)} - inner
    assert undrawn - {"cluster/"} == set()


def _drawn_by_parent(folder: str, drawn: set[str]) -> bool:
    """Say whether a folder is inside a drawn room that is not itself split in the table."""
    parents = [f"{parent}/" for parent in Path(folder).parents if str(parent) != "."]
    return any(parent in drawn for parent in parents)


@pytest.mark.parametrize(
    "name", ["podready.cluster", "podready.rehearse", "podready.kube", "rich", "aiohttp", "click"]
)
def test_podready_run_loads_no_workshop_module(name: str) -> None:
    """Wall 9: the command that ships into every pod imports only the runtime."""
    code = f"import sys, podready.cli.run; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "name", ["asyncio", "ssl", "uvicorn", "logging", "pathlib", "platform", "difflib", "subprocess"]
)
def test_the_supervisor_loads_no_event_loop(name: str) -> None:
    """Decision 1: PID 1 stays small and quick: no asyncio, no engine, nothing it can do without."""
    code = f"import sys, podready.runtime.supervisor.supervisor; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
