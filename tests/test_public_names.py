"""What users may import, and every text they read, agree: `podready.runtime` is private."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "podready"
REFERENCE = ROOT / "docs" / "reference"

PRIVATE = {"__main__", "cli", "cluster", "kube", "rehearse", "runtime"}
BASE = {"_version", "clock", "contract", "dockerfile", "errors", "journal", "project"}
BASE |= {"socket_path", "values"}
"""Modules that users need not import, though podready.errors is there for `except`."""

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
DOTTED = re.compile(r"(?<![\w.\"'\[/-])podready(?:\.[A-Za-z_]\w*)+(?![\w/-])")
IMPORTED = re.compile(r"from (podready[\w.]*) import ([\w, ]+)")


def public_modules() -> list[str]:
    """Return the modules that users import from: all but the base, the commands and the rooms."""
    found = ["podready"]
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not parts or parts[0] in PRIVATE | BASE or any(part[0] == "_" for part in parts):
            continue
        if len(parts) == 1 or "__all__" in path.read_text(encoding="utf-8"):
            found.append(".".join(("podready", *parts)))
    return found


def user_texts() -> list[Path]:
    """Return the pages and sources that a user reads; decisions are for developers."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    pages = [page for page in pages if "decisions" not in page.parts]
    return pages + [
        path
        for path in sorted((ROOT / "examples").rglob("*"))
        if path.suffix in {".md", ".py", ".toml", ".yaml"}
    ]


def relative(path: object) -> str:
    """Return a short name for a test's id."""
    return str(path.relative_to(ROOT)) if isinstance(path, Path) else str(path)


@pytest.mark.parametrize("name", public_modules())
def test_every_public_name_can_be_imported(name: str) -> None:
    """`__all__` is sorted, holds what is there, and `dir` shows it."""
    module = import_module(name)
    assert sorted(module.__all__) == list(module.__all__)
    assert [each for each in module.__all__ if not hasattr(module, each)] == []
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018 - the access is the test


@pytest.mark.parametrize("name", public_modules())
def test_every_public_name_is_in_the_reference(name: str) -> None:
    """Some page of docs/reference has each name in backticks."""
    text = "".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    words = {word for code in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", code)}
    words |= {word for _, block in FENCE.findall(text) for word in re.findall(r"\w+", block)}
    missing = [each for each in import_module(name).__all__ if each not in words]
    assert [each for each in missing if each != "__version__"] == []


@pytest.mark.parametrize("name", public_modules())
def test_docstrings_of_public_names_name_no_private_module(name: str) -> None:
    """`help(...)` sends nobody into the runtime."""
    assert [text for text in docstrings(import_module(name)) if "podready.runtime" in text] == []


def docstrings(module: ModuleType) -> Iterator[str]:
    """Yield the docstring of a module, of its names, and of their public methods."""
    yield module.__doc__ or ""
    for each in module.__all__:
        value = getattr(module, each)
        yield inspect.getdoc(value) or ""
        if inspect.isclass(value):
            members = (member for key, member in vars(value).items() if not key.startswith("_"))
            yield from (inspect.getdoc(member) or "" for member in members)


@pytest.mark.slow
@pytest.mark.parametrize("path", user_texts(), ids=relative)
def test_no_text_for_users_names_the_runtime(path: Path) -> None:
    """Users import public modules, so that private ones can move."""
    assert "podready.runtime" not in path.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("path", user_texts(), ids=relative)
def test_every_name_that_a_text_uses_can_be_imported(path: Path) -> None:
    """`podready.x.y` and `from podready.x import y` in Python code lead somewhere."""
    text = path.read_text(encoding="utf-8")
    code = (
        text
        if path.suffix == ".py"
        else "".join(b for w, b in FENCE.findall(text) if w == "python")
    )
    names = set(DOTTED.findall(code))
    for module, imported in IMPORTED.findall(code):
        names |= {f"{module}.{name.split(' as ')[0].strip()}" for name in imported.split(",")}
    assert sorted(name for name in names if not resolves(name)) == []


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a module, or a public name of one."""
    module, _, name = dotted.rpartition(".")
    try:
        import_module(dotted)
    except ImportError:
        if not module:
            return False
        owner = import_module(module)
        return name in getattr(owner, "__all__", ()) or module == "podready.errors"
    return True


def test_no_client_library_is_imported_before_it_is_asked_for() -> None:
    """`import podready.checks` costs nothing."""
    script = (
        "import sys, podready.checks\n"
        "print({'redis', 'psycopg', 'asyncpg', 'sqlalchemy', 'django', 'http'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
