"""The spelling of the app that a mistaken target probably means, looked up in the source.

Nothing is imported: the files below the app directory are parsed. Only used after a mistake.
"""

from __future__ import annotations

import ast
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_APPS: Final = ("app", "application", "asgi", "wsgi", "api")
_FACTORIES: Final = ("create_app", "make_app", "get_app", "build_app", "create_application")
_APP_MODULES: Final = ("main", "app", "asgi", "wsgi", "server")
_MAKERS: Final = frozenset(
    {
        *("FastAPI", "Starlette", "Litestar", "Quart", "Flask", "Sanic", "Falcon", "Bottle"),
        *("get_asgi_application", "get_wsgi_application", "make_wsgi_app", "Application", "App"),
    }
)
"""What the frameworks' classes and functions are called that make an app."""

_WORD: Final = re.compile(r"[^\W\d]\w*")


def likely_target(text: str, app_dir: str) -> str | None:
    """Return what `text` was probably meant to be, with an --app-dir if it needs one."""
    place, _, wanted = text.strip().partition(":")
    wanted = wanted.removesuffix("()")
    for directory, module, attribute in _readings(place, app_dir):
        source = _source_of(directory, module)
        if source is None:
            continue
        name = likely_name(wanted or attribute, *_names_in(source))
        if name is not None:
            moved = "" if directory == Path(app_dir) else f" with --app-dir {directory}"
            return f"{module}:{name}{moved}"
    return None


def likely_module(module: str, app_dir: str) -> str | None:
    """Return the module in `app_dir` whose name is most like `module`, if any is."""
    head, _, last = module.rpartition(".")
    try:
        paths = sorted(Path(app_dir, *head.split(".")).iterdir())
    except OSError:
        return None
    known = [path.stem for path in paths if _is_module(path)]
    near = get_close_matches(last, known, n=1, cutoff=0.6)
    return f"{head}.{near[0]}".lstrip(".") if near else None


def likely_name(wanted: str, apps: Iterable[str], others: Iterable[str]) -> str | None:
    """Return the name that was probably meant: the one like `wanted`, else the likeliest app.

    `apps` are names of what is likely an app, `others` the rest of the module's names; a factory
    comes with its parentheses.
    """
    apps, others = list(apps), list(others)
    names = [*apps, *others]
    if wanted in names:
        near = [wanted]
    else:
        near = get_close_matches(wanted, names, n=1, cutoff=0.6) if wanted else []
    ranked = [name for name in _APPS if name in names] + apps
    factories = [name for name in _FACTORIES if name in names]
    found = next(iter([*near, *ranked, *factories]), None)
    return f"{found}()" if found in factories else found


def _is_module(path: Path) -> bool:
    if path.suffix == ".py":
        return path.stem != "__init__" and _WORD.fullmatch(path.stem) is not None
    return _is_package(path)


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").is_file()


def _readings(place: str, app_dir: str) -> Iterator[tuple[Path, str, str]]:
    """Give (directory, module, attribute) for each way to read what stands before the colon."""
    parts = [part for part in re.split(r"[/\\.]+", place.removesuffix(".py")) if part]
    if not all(_WORD.fullmatch(part) for part in parts) or not parts:
        return
    directory, rest = Path(app_dir), parts
    # A path leads into packages, or through folders that are none: those go to --app-dir.
    while len(rest) > 1 and "/" in place and (directory / rest[0]).is_dir():
        if _is_package(directory / rest[0]):
            break
        directory, rest = directory / rest[0], rest[1:]
    yield directory, ".".join(rest), ""
    if _is_package(directory.joinpath(*rest)):
        for module in _APP_MODULES:
            yield directory, ".".join([*rest, module]), ""
    if len(rest) > 1:
        yield directory, ".".join(rest[:-1]), rest[-1]


def _source_of(directory: Path, module: str) -> str | None:
    path = directory.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
    return None


def _names_in(source: str) -> tuple[list[str], list[str]]:
    """Return the module's names: those of likely apps, and the others."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError):
        return [], []
    apps: list[str] = []
    others: list[str] = []
    for statement in body:
        for name, likely in _bound_by(statement):
            (apps if likely else others).append(name)
    return apps, others


def _bound_by(statement: ast.stmt) -> Iterator[tuple[str, bool]]:
    """Give each name that a top-level statement binds, and whether it is likely an app."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = [each.arg for each in statement.args.args]
        yield statement.name, arguments[:1] in (["scope"], ["environ"])
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            yield alias.asname or alias.name, False
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            if isinstance(target, ast.Name):
                yield target.id, _makes_app(statement.value)


def _makes_app(value: ast.expr | None) -> bool:
    if not isinstance(value, ast.Call):
        return False
    maker = value.func
    name = getattr(maker, "attr", None) or getattr(maker, "id", None)
    return name in _MAKERS
