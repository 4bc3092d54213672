"""The base class of an app's settings."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, dataclass_transform

from podready.errors import SettingsError
from podready.runtime.settings.load import read_values, unknown_variables
from podready.runtime.settings.report import render_report
from podready.runtime.settings.schema import Variable, variables
from podready.runtime.settings.variable import Default, var

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(var,))
class Settings:
    """Base of a class whose annotated fields are environment variables.

    A subclass becomes a frozen, keyword-only dataclass. The variable of a field is `prefix` plus
    the field's name in upper case, unless `var(env=...)` names it. `unknown="ignore"` switches
    off the search for misspelt variables, which takes place only when there is a prefix.
    """

    _prefix: ClassVar[str] = ""
    _unknown: ClassVar[str] = "error"

    def __init_subclass__(
        cls,
        *,
        prefix: str | None = None,
        unknown: Literal["error", "ignore"] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls._prefix = cls._prefix if prefix is None else prefix
        cls._unknown = cls._unknown if unknown is None else unknown
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]  # it is one since now
            if isinstance(field.default_factory, Default):
                field.default_factory.convert = _default_of(cls, field.name)

    @classmethod
    def variables(cls) -> tuple[Variable, ...]:
        """Return the variables in the order of the fields."""
        found: tuple[Variable, ...] | None = cls.__dict__.get("_variables")
        if found is None:
            found = variables(cls, cls._prefix)
            cls._variables = found  # type: ignore[attr-defined]  # computed once per class
        return found

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings from `environ`, by default the environment of the process.

        Raises SettingsError with one report of everything that is missing, empty, invalid or
        misspelt. The report is written once, before it is raised: as a log line where podready's
        logs are configured, else to stderr. SettingsError is a SystemExit with code 78 too, so
        that nobody need catch it: plain `python`, uvicorn and gunicorn end with the report and
        exit code 78 and show no traceback. Load at import or in `main`, not in a handler.
        """
        given = os.environ if environ is None else environ
        values, problems = read_values(cls.variables(), given)
        if cls._prefix and cls._unknown == "error":
            problems += unknown_variables(cls.variables(), given, cls._prefix)
        if problems:
            raise _announced(SettingsError(render_report(problems, cls._prefix)))
        return cls(**values)


def _default_of(cls: type[Settings], field: str) -> Any:
    """Return a factory of the field's default, in the field's own type."""
    return lambda: next(v for v in cls.variables() if v.field == field).fresh_default()


def _announced(error: SettingsError) -> SettingsError:
    """Write the report where people look for it, and mark the error as reported."""
    logs = sys.modules.get("podready.runtime.logs")
    if logs is not None and logs.is_configured():
        logs.log_event("CRITICAL", str(error))
    else:
        sys.stderr.write(f"{error}\n")
    error.reported = True
    return error
