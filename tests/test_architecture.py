"""The walls that import-linter cannot see, and the drawing held against the tree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

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


def test_the_tools_read_the_wall_clock_through_the_clock() -> None:
    """Wall 7: `datetime.now` and `time.time` stand in clock.py (and in the runtime, apart)."""
    found = offenders({"datetime.now", "datetime.utcnow", "time.time"}, {"clock.py"})
    assert [line for line in found if not line.startswith("runtime/")] == []


def test_nobody_waits_in_a_way_that_swallows_a_cancellation() -> None:
    """`asyncio.wait_for` of Python 3.11 does when both come at once; `asyncio.timeout` does not."""
    assert offenders({"asyncio.wait_for"}, set()) == []


def test_only_public_modules_name_the_runtime_in_a_text() -> None:
    """Wall 3, where import-linter cannot see it: a module that is imported by its name."""
    public = {"__init__.py", "checks.py", "logs/__init__.py", "settings.py"}
    outside = [path for path in MODULES if not path.is_relative_to(SRC / "runtime")]
    found = {str(path.relative_to(SRC)) for path in outside if names_runtime(path)}
    assert found - public == set()


def names_runtime(path: Path) -> bool:
    """Whether a string of a module, docstrings apart, is the dotted name of a runtime module."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    texts = (node.value for node in nodes if isinstance(node, ast.Constant))
    return any(isinstance(text, str) and text.startswith("podready.runtime") for text in texts)


def test_the_runtime_uses_the_wall_clock_for_stamps_only() -> None:
    """A clock set back moves no deadline: `time.time` is read for log lines and exemplars only."""
    found = offenders({"datetime.now", "datetime.utcnow", "time.time", "time.time_ns"}, set())
    stamps = ("runtime/logs/", "runtime/requests/instrumentation.py")
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


def test_the_picture_has_the_layers_of_the_contract() -> None:
    """The rows of the runtime's box, from top to bottom, are the rooms in `.importlinter`."""
    contract = (ROOT / ".importlinter").read_text(encoding="utf-8").split(":rooms]")[1]
    layers = contract.split("layers =")[1].split("[importlinter")[0]
    base = {path.stem for path in (SRC / "runtime").glob("*.py")} - {"process", "run_config"}
    rooms = [name for name in re.findall(r"\w+", layers) if name not in base]
    box = PAGE.read_text(encoding="utf-8").split("runtime (private)")[1].split("+-----")[0]
    rows = re.findall(r"\|([^|\n]+)\|[^|\n]*$", box, flags=re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"(?<!-)\b[a-z_]+\b(?!-)", row)] == rooms


def _drawn_by_parent(folder: str, drawn: set[str]) -> bool:
    """Say whether a folder is inside a drawn room that is not itself split in the table."""
    parents = [f"{parent}/" for parent in Path(folder).parents if str(parent) != "."]
    return any(parent in drawn for parent in parents)


def test_no_module_is_part_of_a_circle_and_no_folder_is_full() -> None:
    """Arrows only fall, those of types and of lazy imports too; a folder holds twenty files."""
    script = [sys.executable, str(ROOT / "scripts" / "import_graph.py")]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("circle") or "more than" in line] == []
    assert done.returncode == 0


@pytest.mark.parametrize(
    "name", ["podready.cluster", "podready.rehearse", "podready.kube", "rich", "aiohttp", "click"]
)
def test_podready_run_loads_no_module_of_the_tools(name: str) -> None:
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
