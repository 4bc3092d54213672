"""scripts/import_graph.py finds each kind of circle, and names what it found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "import_graph.py"


def write(src: Path, **modules: str) -> None:
    """Write a package `house` under `src`; `_in_` in a name ends a folder."""
    for name, text in {"__init__": "", **modules}.items():
        path = src / "house" / f"{name.replace('_in_', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(src: Path, *arguments: str) -> tuple[int, str]:
    """Return the exit code and what was printed."""
    command = [sys.executable, str(SCRIPT), "--src", str(src), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "back",
    [
        "import house.a",
        "from house.a import name",
        "from house import a",
        "from . import a",
        "from .a import name",
        "def later():\n    from house.a import name",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.a import name",
    ],
)
def test_a_circle_is_found_however_it_is_written(tmp_path: Path, back: str) -> None:
    """Absolute, relative, lazy and type-checking imports close a circle alike."""
    write(tmp_path, a="from house.b import x", b=back)
    code, printed = run(tmp_path)
    assert "circle of 2: house.a house.b" in printed
    assert code == 1


@pytest.mark.slow
def test_a_relative_import_of_a_package_starts_at_the_package(tmp_path: Path) -> None:
    """`.` in an `__init__` is the package itself, `..` in its module is the package above."""
    write(tmp_path, room_in___init__="from .a import x", room_in_a="from .. import b", b="")
    assert run(tmp_path)[0] == 0
    write(tmp_path, b="import house.room")
    code, printed = run(tmp_path)
    assert "circle of 3: house.b house.room house.room.a" in printed
    assert code == 1


def test_two_circles_that_share_a_module_are_one(tmp_path: Path) -> None:
    """A strongly connected component is named once, with all its members."""
    write(tmp_path, a="import house.b, house.c", b="import house.a", c="import house.a", d="")
    assert "circle of 3: house.a house.b house.c" in run(tmp_path)[1]


def test_arrows_that_only_fall_are_no_circle(tmp_path: Path) -> None:
    """A diamond ends with exit code 0; modules of others are not counted."""
    write(tmp_path, a="import house.b, house.c, os", b="import house.d", c="import house.d", d="")
    code, printed = run(tmp_path)
    assert printed.splitlines() == [
        "folder house: 5 files",
        "0 circles, 5 files in the fullest folder",
    ]
    assert code == 0


def test_a_folder_of_more_than_twenty_files_fails(tmp_path: Path) -> None:
    """Twenty files are enough for a folder, its `__init__` included."""
    write(tmp_path, **{f"m{number}": "" for number in range(19)})
    assert run(tmp_path)[0] == 0
    write(tmp_path, one_more="")
    code, printed = run(tmp_path)
    assert "folder house: 21 files, more than 20" in printed
    assert code == 1


def test_a_package_is_judged_alone(tmp_path: Path) -> None:
    """Circles elsewhere are not the package's, those through it are."""
    write(tmp_path, a="import house.b", b="import house.a", room_in___init__="", room_in_c="")
    assert run(tmp_path, "house.room")[0] == 0
    assert run(tmp_path, "house.b")[0] == 1


def test_an_unknown_package_is_one_sentence(tmp_path: Path) -> None:
    """Nothing is printed as if all were well."""
    write(tmp_path)
    code, printed = run(tmp_path, "hous")
    assert printed.splitlines()[-1].startswith("import_graph.py: error: no package 'hous' in")
    assert code == 2
