"""Importing the user's app and finding out what it speaks.

Every way in which that fails becomes one sentence: which module, which file and line, what the
error was. The traceback goes along as a field of the log line.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from podready.errors import SettingsError, StartupError
from podready.runtime.logs.stack import stack_trace
from podready.runtime.logs.values import text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class ImportFailedError(StartupError):
    """The app's module raised while it was imported; `trace` is the traceback's text."""

    def __init__(self, message: str, trace: str) -> None:
        super().__init__(message)
        self.trace = trace


def load_app(target: str, app_dir: str) -> Callable[..., Any]:
    """Return the object that `target` (MODULE:ATTR) names, imported with `app_dir` on sys.path.

    Raises StartupError, or lets the app's own SettingsError and SystemExit through.
    """
    module_name, colon, path = target.partition(":")
    if not colon or not module_name or not path:
        raise StartupError(f"{target!r} is not MODULE:ATTR, for example main:app")
    directory = str(Path(app_dir).resolve())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    module = _import(module_name, directory)
    return _attribute(module, module_name, path)


def _import(name: str, directory: str) -> Any:
    try:
        return importlib.import_module(name)
    except SettingsError:
        raise
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise StartupError(f"there is no module {name!r} in {directory}") from error
        raise _import_failed(name, error) from error
    except Exception as error:
        raise _import_failed(name, error) from error


def _import_failed(name: str, error: Exception) -> ImportFailedError:
    where = _place(error)
    what = text(error) or "no message"
    return ImportFailedError(
        f"importing {name!r} failed at {where}: {type(error).__name__}: {what}",
        stack_trace(error),
    )


def _place(error: Exception) -> str:
    """Return file:line of the innermost frame that is not the import machinery's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    place = "an unknown place"
    step: TracebackType | None = error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not file.startswith("<frozen") and "importlib" not in file and file != __file__:
            place = f"{file}:{step.tb_lineno}"
        step = step.tb_next
    return place


def _attribute(module: Any, name: str, path: str) -> Callable[..., Any]:
    found: Any = module
    for part in path.split("."):
        if not hasattr(found, part):
            where = getattr(module, "__file__", name)
            raise StartupError(f"module {name!r} ({where}) has no attribute {path!r}")
        found = getattr(found, part)
    if not callable(found):
        raise StartupError(f"{name}:{path} is a {type(found).__name__}, not an ASGI or WSGI app")
    return found  # type: ignore[no-any-return]


def speaks_asgi(app: Callable[..., Any]) -> bool:
    """Return whether `app` is an ASGI 3 app; otherwise it is taken for WSGI.

    A coroutine function, or an object whose `__call__` is one, speaks ASGI (uvicorn's rule);
    so does a callable with three required parameters, because WSGI has exactly two.
    """
    call = app if inspect.isroutine(app) else type(app).__call__
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(call):
        return True
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return False
    required = [p for p in parameters if p.default is p.empty and p.kind <= p.POSITIONAL_OR_KEYWORD]
    return len(required) == 3
