"""`podready settings MODULE:CLASS`: what an app reads from its environment, in every format."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final

import click

from podready.cli.click_command import Command
from podready.cli.console import say
from podready.cli.settings_formats import (
    env_example,
    json_schema,
    markdown,
    present_table,
)
from podready.contract import ExitCode
from podready.errors import MissingExtra, SettingsError, UsageError
from podready.runtime.logs.announce import announce, muted
from podready.runtime.settings.adapters import adapt
from podready.runtime.settings.base import Settings
from podready.runtime.settings.load import Schema
from podready.runtime.settings.report import render_report

FORMATS: Final = ("table", "env", "configmap", "secret", "json-schema", "markdown")

_TABLES: Final = (
    (
        "formats",
        (
            ("table", "type, default, present value, its source, and what is wrong"),
            ("env", "a .env.example: required variables open, the others as comments"),
            ("configmap", "a ConfigMap with the defaults of what is not secret"),
            ("secret", "a Secret without values, to be filled in"),
            ("json-schema", "a JSON Schema of the variables"),
            ("markdown", "a table for the app's documentation"),
        ),
    ),
)
EXAMPLES: Final = (
    "podready settings main:AppSettings",
    "podready settings main:AppSettings --check",
    "podready settings main:AppSettings --format env > .env.example",
    "podready settings main:AppSettings --format configmap --name shop > deploy/configmap.yaml",
    "podready settings main:AppSettings --diff deploy/ --diff deploy/env/prd.yaml",
)
EXIT_CODES: Final = (
    ("0", "no problem"),
    ("1", "--diff found differences"),
    ("2", "a mistake in the command"),
    ("78", "--check found settings that are missing or invalid"),
)

_REMOVED: Final = {
    "--env-example": "env",
    "--configmap": "configmap",
    "--secret": "secret",
    "--json-schema": "json-schema",
    "--markdown": "markdown",
}
"""Options of earlier versions -> the format that they are now."""


def _refuse_removed(_context: click.Context, option: click.Parameter, used: bool) -> None:
    if used:
        flag = option.opts[0]
        raise UsageError(f"podready settings has no {flag}: use --format {_REMOVED[flag]}")


def _removed_options(command: click.Command) -> click.Command:
    """Add the options of earlier versions; each ends with a sentence that has the new one."""
    command.params += [
        click.Option(
            [flag], is_flag=True, hidden=True, expose_value=False, callback=_refuse_removed
        )
        for flag in _REMOVED
    ]
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsCommand:
    """The options of one call."""

    target: str
    app_dir: str
    prefix: str
    form: str | None
    check: bool
    diff: tuple[Path, ...]
    container: str | None
    name: str | None

    def refuse_contradictions(self) -> None:
        """Raise UsageError for options that exclude one another, or that need another."""
        actions = {"--check": self.check, "--diff": self.diff, "--format": self.form}
        used = [option for option, value in actions.items() if value]
        if len(used) > 1:
            raise UsageError(f"{' and '.join(used)} exclude each other")
        if self.name is not None and self.form not in ("configmap", "secret"):
            raise UsageError("--name goes with --format configmap or --format secret")
        if self.container is not None and not self.diff:
            raise UsageError("--container goes with --diff")


@_removed_options
@click.command(cls=Command, examples=EXAMPLES, exit_codes=EXIT_CODES, tables=_TABLES)
@click.argument("target", metavar="MODULE:CLASS")
@click.option("--app-dir", default=".", metavar="DIR", help="where the module is [.]")
@click.option(
    "--prefix", default="", help="of a class that has no option for it (attrs, msgspec, dataclass)"
)
@click.option(
    "--format",
    "-o",
    "form",
    type=click.Choice(FORMATS),
    metavar="FORMAT",
    help="what is printed, see below [table]",
)
@click.option("--name", metavar="NAME", help="of the ConfigMap or Secret [the prefix]")
@click.option(
    "--check", is_flag=True, help="report what is wrong here and now; for CI and init containers"
)
@click.option(
    "--diff",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="what manifests lack, have too much or wrong (repeatable)",
)
@click.option("--container", metavar="NAME", help="the app's container in the manifests of --diff")
def settings(**options: Any) -> int:
    """Show every variable of a settings class, check them, or compare them with manifests.

    The class is a podready.Settings, or one of pydantic-settings, attrs, msgspec or dataclasses.
    Secrets are never shown.
    """
    command = SettingsCommand(**options)
    command.refuse_contradictions()
    environ = dict(os.environ)  # before the app is imported: loading may remove secrets from it
    schema = find_schema(command.target, command.app_dir, command.prefix)
    if command.diff:
        return _diff(schema, command.diff, command.container)
    if command.check:
        return _check(schema, environ)
    say(_formatted(schema, command.form or "table", command.name, environ).rstrip("\n"))
    return ExitCode.OK


def _formatted(schema: Schema, form: str, name: str | None, environ: Mapping[str, str]) -> str:
    match form:
        case "env":
            return env_example(schema)
        case "json-schema":
            return json_schema(schema)
        case "markdown":
            return markdown(schema)
        case "configmap" | "secret":
            return str(_manifests("settings_manifests").render(schema, form, name))
        case _:
            return present_table(schema, schema.read(environ, allow_env_file=True))


def _check(schema: Schema, environ: Mapping[str, str]) -> int:
    """Report as the app does, in the container's termination message too."""
    problems = schema.read(environ, allow_env_file=True).problems
    if problems:
        announce(SettingsError(render_report(problems, schema.options.prefix)))
        return ExitCode.CONFIG
    count = len(schema.variables())
    say(f"settings: {count} variable{'s' if count != 1 else ''}, nothing is wrong")
    return ExitCode.OK


def _diff(schema: Schema, paths: tuple[Path, ...], container: str | None) -> int:
    differences = _manifests("settings_diff").diff(schema, paths, container)
    for line in differences.lines:
        say(line)
    return ExitCode.NOT_READY if differences.count else ExitCode.OK


def _manifests(module: str) -> Any:
    try:
        return import_module(f"podready.cli.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "podready":
            raise
        raise MissingExtra(
            "settings --diff and --format configmap or secret", "rehearse"
        ) from error


def find_schema(target: str, app_dir: str, prefix: str) -> Schema:
    """Import a module and return the settings class that `target` (MODULE:CLASS) names.

    A module that loads its settings at import fails where some are missing, but has defined the
    class by then. Raises UsageError if there is no such class.
    """
    module_name, _, path = target.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise UsageError(f"{target!r} is not MODULE:CLASS, such as main:AppSettings")
    names, failure = _import(module_name, app_dir)
    target_object = _walk(names, path) if path else _only_class(names, module_name)
    if target_object is None:
        raise UsageError(failure or f"module {module_name!r} has no class {path!r}")
    return _schema(target_object, target, prefix)


def _schema(target_object: Any, target: str, prefix: str) -> Schema:
    if isinstance(target_object, Schema):
        return target_object
    kind = target_object if isinstance(target_object, type) else type(target_object)
    try:
        return adapt(kind, prefix=prefix)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{target}: {error}") from None


def _import(name: str, app_dir: str) -> tuple[Mapping[str, Any], str | None]:
    """Return the names of a module, and why its import failed if it did."""
    directory = str(Path(app_dir).resolve())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        with muted(), contextlib.redirect_stdout(sys.stderr):
            module: ModuleType = import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the app's own code that runs
        names = _names_left(error.__traceback__, name)
        if isinstance(error, SettingsError):
            return names, None
        return names, f"importing {name!r} failed{_place(error)}: {type(error).__name__}: {error}"
    return vars(module), None


def _names_left(trace: TracebackType | None, module: str) -> Mapping[str, Any]:
    """Return the names of a module whose import failed, then those of the modules importing it.

    They are put back into sys.modules: types and docs of a class are looked up there.
    """
    spaces: list[Mapping[str, Any]] = []
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "<module>":
            names = trace.tb_frame.f_globals
            half = sys.modules.setdefault(names["__name__"], ModuleType(names["__name__"]))
            vars(half).update(names)
            spaces.append(names)
        trace = trace.tb_next
    spaces.sort(key=lambda names: names.get("__name__") != module)
    return ChainMap(*map(dict, spaces))


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "importlib" not in f.filename and f.filename != __file__]
    return f" at {own[-1].filename}:{own[-1].lineno}" if own else ""


def _walk(names: Mapping[str, Any], path: str) -> Any:
    first, *rest = path.split(".")
    value = names.get(first)
    for part in rest:
        value = getattr(value, part, None)
    return value


def _only_class(names: Mapping[str, Any], module: str) -> Any:
    """Return the only settings class that a module defines; UsageError if it has several."""
    classes = [
        value
        for value in names.values()
        if isinstance(value, type)
        and value.__module__ == module
        and (issubclass(value, Settings) or hasattr(value, "settings_customise_sources"))
    ]
    if len(classes) > 1:
        choices = ", ".join(f"{module}:{kind.__name__}" for kind in classes)
        raise UsageError(f"{module} has several settings classes, name one: {choices}")
    return classes[0] if classes else None
