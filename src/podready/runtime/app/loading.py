"""Importing the user's app, calling its factory, and finding out its interface.

Every way in which that fails becomes one sentence: which module, which file and line, what the
error was. The traceback goes along as a field of the log line.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from podready.errors import SettingsError, StartupError, UsageError
from podready.runtime.app.interface import AUTO, Interface, interface_of
from podready.runtime.logs.stack import stack_trace
from podready.runtime.logs.values import text
from podready.runtime.options.app_target import AppTarget, parse_target

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType


class ImportFailedError(StartupError):
    """The app's module or factory raised; `trace` is the traceback's text."""

    def __init__(self, message: str, trace: str) -> None:
        super().__init__(message)
        self.trace = trace


@dataclass(frozen=True, slots=True)
class LoadedApp:
    """The user's app, and whether it speaks ASGI or WSGI."""

    call: Callable[..., Any]
    interface: Interface


def load_app(
    target: str, app_dir: str, *, interface: str = AUTO, factory: bool = False
) -> LoadedApp:
    """Return the app that `target` (MODULE:ATTR) names, imported with `app_dir` on sys.path.

    `interface` is auto, asgi or wsgi. A factory is called: one that the target calls
    (MODULE:FACTORY()), that `factory` announces, or that takes no arguments. Raises UsageError
    for a misspelt target, StartupError for what is no app, or lets the app's own SettingsError
    and SystemExit through.
    """
    parts = parse_target(target, app_dir)
    directory = str(Path(app_dir).resolve())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    module = _import(parts, directory)
    found = _attribute(module, parts)
    name = f"{parts.module}:{parts.attribute}"
    if not (parts.called or factory):
        spoken = interface_of(found, name, interface)
        if spoken is not Interface.FACTORY:
            return LoadedApp(found, spoken)
    return _from_factory(found, name, interface)


def _import(target: AppTarget, directory: str) -> ModuleType:
    name = target.module
    try:
        return importlib.import_module(name)
    except SettingsError:
        raise
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise _no_module(target, directory) from error
        raise _failed(f"importing {name!r}", error) from error
    except Exception as error:
        raise _failed(f"importing {name!r}", error) from error


def _no_module(target: AppTarget, directory: str) -> UsageError:
    from podready.runtime.options.app_spelling import likely_module

    near = likely_module(target.module, directory)
    hint = f"; did you mean {near}:{target.attribute}?" if near else ""
    return UsageError(f"there is no module {target.module!r} in {directory}{hint}")


def _failed(what: str, error: Exception) -> ImportFailedError:
    where = _place(error)
    message = text(error) or "no message"
    return ImportFailedError(
        f"{what} failed at {where}: {type(error).__name__}: {message}", stack_trace(error)
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


def _attribute(module: ModuleType, target: AppTarget) -> Any:
    found: Any = module
    for part in target.attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise _no_attribute(module, target) from error
        except SettingsError:
            raise
        except Exception as error:  # a module's `__getattr__`, or a property
            raise _failed(f"reading {target.module}:{target.attribute}", error) from error
    if inspect.ismodule(found):
        raise _a_module(found, target)
    return found


def _no_attribute(module: ModuleType, target: AppTarget) -> UsageError:
    from podready.runtime.options.app_spelling import likely_name

    where = getattr(module, "__file__", None) or target.module
    near = likely_name(target.attribute.rpartition(".")[2], *_names_of(module))
    hint = f"; did you mean {target.module}:{near}?" if near else ""
    return UsageError(
        f"module {target.module!r} ({where}) has no attribute {target.attribute!r}{hint}"
    )


def _a_module(found: ModuleType, target: AppTarget) -> UsageError:
    from podready.runtime.options.app_spelling import likely_name

    near = likely_name("", *_names_of(found)) or "app"
    return UsageError(
        f"{target.module}:{target.attribute} is a module, not an app; did you mean "
        f"{found.__name__}:{near}?"
    )


def _names_of(module: ModuleType) -> tuple[list[str], list[str]]:
    """Return the names of `module` that a server could call: apps, and the rest."""
    apps: list[str] = []
    others: list[str] = []
    for name, value in vars(module).items():
        if name.startswith("_") or not callable(value) or inspect.isclass(value):
            continue
        try:
            interface_of(value, name)
        except StartupError:
            continue
        (others if inspect.isroutine(value) else apps).append(name)
    return apps, others


def _from_factory(factory: Any, name: str, wanted: str) -> LoadedApp:
    """Call the factory and return its app; raises StartupError when there is none."""
    app = _call_factory(factory, name)
    made = f"what {name}() returned"
    if app is None:
        raise StartupError(f"{name}() returned None; a factory must return the app")
    if inspect.iscoroutine(app):
        app.close()
        raise StartupError(
            f"{name} is an async factory, which no server awaits: make it a plain function, and "
            "do what must be awaited in the app's lifespan"
        )
    interface = interface_of(app, made, wanted)
    if interface is Interface.FACTORY:
        raise StartupError(f"{made} is a factory again, not an ASGI or WSGI app")
    return LoadedApp(app, interface)


def _call_factory(factory: Any, name: str) -> Any:
    if not callable(factory):
        raise StartupError(f"{name} is of type {type(factory).__name__}, which is not a factory")
    missing = _needed(factory)
    if missing is not None:
        raise _no_factory(factory, name, missing)
    try:
        return factory()
    except SettingsError:
        raise
    except Exception as error:
        raise _failed(f"calling {name}()", error) from error


def _no_factory(found: Any, name: str, missing: str) -> StartupError:
    try:
        spoken = interface_of(found, name)
    except StartupError:
        return StartupError(
            f"{name} needs the argument {missing!r}, and podready calls a factory without "
            "arguments: give it a default, or read it from the environment"
        )
    article = "an" if spoken is Interface.ASGI else "a"
    return StartupError(
        f"{name} is {article} {spoken.upper()} app, not a factory: leave out --factory and ()"
    )


def _needed(factory: Callable[..., Any]) -> str | None:
    """Return the first parameter that `factory` cannot be called without."""
    try:
        parameters = inspect.signature(factory, follow_wrapped=False).parameters.values()
    except Exception:  # noqa: BLE001 - of C: calling it will tell
        return None
    for each in parameters:
        if each.default is each.empty and each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}:
            return each.name
    return None
