"""`podready config MODULE:CLASS`: what an app reads from its environment, in every form."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections import ChainMap
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final

import click

from podready.cli.config_forms import (
    env_example,
    json_schema,
    markdown,
    present_table,
)
from podready.cli.console import say
from podready.contract import ExitCode
from podready.errors import MissingExtra, SettingsError, UsageError
from podready.runtime.logs.announce import announce, muted
from podready.runtime.settings.adapters import adapt
from podready.runtime.settings.base import Settings
from podready.runtime.settings.load import Schema
from podready.runtime.settings.report import render_report

EPILOG: Final = """\b
Examples:
  podready config main:AppSettings
  podready config main:AppSettings --check
  podready config main:AppSettings --env-example > .env.example
  podready config main:AppSettings --diff deploy/ --diff deploy/env/prd.yaml

\b
Exit codes: 0 all is well · 1 --diff found differences · 2 wrong usage · 78 --check found
settings that are missing or invalid.
"""


@click.command(epilog=EPILOG)
@click.argument("target", metavar="MODULE:CLASS")
@click.option("--app-dir", default=".", metavar="DIR", help="where the module is  [default: .]")
@click.option(
    "--prefix", default="", help="of a class that cannot say it (attrs, msgspec, dataclass)"
)
@click.option(
    "--check",
    "form",
    flag_value="check",
    help="report what is wrong here and now; for CI and init containers",
)
@click.option(
    "--diff",
    "diff",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="what manifests lack, have too much or wrong (repeatable)",
)
@click.option("--container", metavar="NAME", help="the app's container in the manifests of --diff")
@click.option("--env-example", "form", flag_value="env-example", help="a .env.example")
@click.option("--configmap", "form", flag_value="configmap", help="a ConfigMap with the defaults")
@click.option(
    "--secret", "form", flag_value="secret", help="a Secret without values, to be filled in"
)
@click.option("--name", metavar="NAME", help="of the ConfigMap or Secret  [default: the prefix]")
@click.option(
    "--json-schema", "form", flag_value="json-schema", help="a JSON Schema of the variables"
)
@click.option("--markdown", "form", flag_value="markdown", help="a table for the documentation")
def config(
    target: str,
    app_dir: str,
    prefix: str,
    form: str | None,
    diff: tuple[Path, ...],
    container: str | None,
    name: str | None,
) -> int:
    """Show every variable of a settings class: type, default, present value and its source.

    The class is a podready.Settings, or one of pydantic-settings, attrs, msgspec or dataclasses.
    Secrets are never shown.
    """
    if diff and form:
        raise UsageError(f"--diff and --{form} exclude each other")
    if name is not None and form not in ("configmap", "secret"):
        raise UsageError("--name goes with --configmap or --secret")
    environ = dict(os.environ)  # before the app is imported: loading may take secrets out of it
    schema = find_schema(target, app_dir, prefix)
    if diff:
        return _diff(schema, diff, container)
    if form == "check":
        return _check(schema, environ)
    say(_form(schema, form, name, environ).rstrip("\n"))
    return ExitCode.OK


def _form(schema: Schema, form: str | None, name: str | None, environ: Mapping[str, str]) -> str:
    match form:
        case "env-example":
            return env_example(schema)
        case "json-schema":
            return json_schema(schema)
        case "markdown":
            return markdown(schema)
        case "configmap" | "secret":
            return str(_manifests("config_manifests").render(schema, form, name))
        case _:
            return present_table(schema, schema.read(environ, allow_env_file=True))


def _check(schema: Schema, environ: Mapping[str, str]) -> int:
    """Report as the app itself would, also in the container's termination message."""
    problems = schema.read(environ, allow_env_file=True).problems
    if problems:
        announce(SettingsError(render_report(problems, schema.options.prefix)))
        return ExitCode.CONFIG
    count = len(schema.variables())
    say(f"config: {count} variable{'s' if count != 1 else ''}, nothing is wrong")
    return ExitCode.OK


def _diff(schema: Schema, paths: tuple[Path, ...], container: str | None) -> int:
    differences = _manifests("config_diff").diff(schema, paths, container)
    for line in differences.lines:
        say(line)
    return ExitCode.NOT_READY if differences.count else ExitCode.OK


def _manifests(module: str) -> Any:
    try:
        return import_module(f"podready.cli.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "podready":
            raise
        raise MissingExtra("config --diff, --configmap or --secret", "rehearse") from error


def find_schema(target: str, app_dir: str, prefix: str) -> Schema:
    """Import a module and return the settings class that `target` (MODULE:CLASS) names.

    A module that fails on the way, because it loads its settings at import in an environment
    that lacks some, has still defined the class. UsageError when there is none.
    """
    module_name, _, path = target.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise UsageError(f"{target!r} is not MODULE:CLASS, such as main:AppSettings")
    names, failure = _import(module_name, app_dir)
    found = _walk(names, path) if path else _only_class(names, module_name)
    if found is None:
        raise UsageError(failure or f"module {module_name!r} has no class {path!r}")
    return _schema(found, target, prefix)


def _schema(found: Any, target: str, prefix: str) -> Schema:
    if isinstance(found, Schema):
        return found
    kind = found if isinstance(found, type) else type(found)
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
    """Return what a module had defined when its import failed, then what those under way had.

    They are put back among the modules: types and documentation of a class are looked up there.
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
    ours = [f for f in frames if "importlib" not in f.filename and f.filename != __file__]
    return f" at {ours[-1].filename}:{ours[-1].lineno}" if ours else ""


def _walk(names: Mapping[str, Any], path: str) -> Any:
    first, *rest = path.split(".")
    found = names.get(first)
    for part in rest:
        found = getattr(found, part, None)
    return found


def _only_class(names: Mapping[str, Any], module: str) -> Any:
    """Return the only settings class that a module defines; UsageError if it has several."""
    found = [
        value
        for value in names.values()
        if isinstance(value, type)
        and value.__module__ == module
        and (issubclass(value, Settings) or hasattr(value, "settings_customise_sources"))
    ]
    if len(found) > 1:
        choices = ", ".join(f"{module}:{kind.__name__}" for kind in found)
        raise UsageError(f"{module} has several settings classes, name one: {choices}")
    return found[0] if found else None
