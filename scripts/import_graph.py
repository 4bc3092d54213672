"""Prints which modules import one another in a circle, and how many files each folder holds.

    python scripts/import_graph.py [PACKAGE] [--src SRC]

Imports under `if TYPE_CHECKING:` and inside functions count, and so do relative ones: a circle
of names that people read together is a circle, whether or not Python stumbles over it. The exit
code is 1 when two modules import one another in a circle, or when a folder holds more than
twenty Python files. PACKAGE (`podready.runtime`) limits what is printed to that package.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
MAX_FILES = 20

Graph = Mapping[str, set[str]]


def find_modules(src: Path) -> dict[str, Path]:
    """Return the dotted name and the file of each module under `src`."""
    return {_dotted(path.relative_to(src)): path for path in sorted(src.rglob("*.py"))}


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """Return the modules that each module imports; those outside `modules` are left out."""
    return {
        name: {target for target in _imports(name, path, modules) if target != name}
        for name, path in modules.items()
    }


def _imports(name: str, path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            yield from _imported_from(_base(node, package), node.names, modules)


def _base(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name of the module after `from`."""
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    kept = parents[: len(parents) - node.level + 1]
    return ".".join([*kept, *filter(None, [node.module])])


def _imported_from(
    base: str, names: Iterable[ast.alias], modules: Mapping[str, Path]
) -> Iterator[str]:
    """Yield what `from base import names` imports: submodules, and `base` for any other name."""
    for alias in names:
        submodule = f"{base}.{alias.name}"
        if submodule in modules:
            yield submodule
        elif base in modules:
            yield base


def circles(graph: Graph) -> list[list[str]]:
    """Return the strongly connected components of more than one module (Tarjan)."""
    search = _Search(graph)
    for name in graph:
        if name not in search.index:
            search.visit(name)
    return sorted(search.components)


class _Search:
    """One depth-first walk; `low` is the earliest module that a module can reach again."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.index: dict[str, int] = {}
        self.low: dict[str, int] = {}
        self.path: list[str] = []
        self.components: list[list[str]] = []

    def visit(self, name: str) -> None:
        self.index[name] = self.low[name] = len(self.index)
        self.path.append(name)
        for target in sorted(self.graph[name]):
            if target not in self.index:
                self.visit(target)
                self.low[name] = min(self.low[name], self.low[target])
            elif target in self.path:
                self.low[name] = min(self.low[name], self.index[target])
        if self.low[name] == self.index[name]:
            self._close(name)

    def _close(self, root: str) -> None:
        at = self.path.index(root)
        component, self.path[at:] = sorted(self.path[at:]), []
        if len(component) > 1:
            self.components.append(component)


def files_per_folder(modules: Mapping[str, Path], src: Path) -> Counter[str]:
    """Return the number of Python files that lie directly in each folder."""
    return Counter(str(path.parent.relative_to(src)) for path in modules.values())


def main(argv: list[str]) -> int:
    """Print the circles and the folders; return 1 when there is a circle or a full folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("package", nargs="?", default="", help="print this package only")
    parser.add_argument("--src", type=Path, default=SRC, help="the folder of the packages")
    options = parser.parse_args(argv)
    every = find_modules(options.src)
    modules = {name: path for name, path in every.items() if _inside(name, options.package)}
    if not modules:
        parser.error(f"no package {options.package!r} in {options.src}")
    found = [c for c in circles(import_graph(every)) if not modules.keys().isdisjoint(c)]
    folders = files_per_folder(modules, options.src)
    print("\n".join(_report(found, folders)))
    return int(bool(found) or max(folders.values()) > MAX_FILES)


def _inside(name: str, package: str) -> bool:
    return not package or f"{name}.".startswith(f"{package}.")


def _report(found: list[list[str]], folders: Counter[str]) -> Iterator[str]:
    for folder, files in sorted(folders.items()):
        full = f", more than {MAX_FILES}" if files > MAX_FILES else ""
        yield f"folder {folder}: {files} files{full}"
    yield from (f"circle of {len(names)}: {' '.join(names)}" for names in found)
    yield f"{len(found)} circles, {max(folders.values())} files in the fullest folder"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
