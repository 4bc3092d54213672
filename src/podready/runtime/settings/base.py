"""The base class of an app's settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform

from podready.runtime.settings.fields import AsDataclass, declarations, fill, values_of
from podready.runtime.settings.load import Reading, read
from podready.runtime.settings.options import Options, Unknown
from podready.runtime.settings.schema import Section, Variable, section_of
from podready.runtime.settings.variable import Declaration, var

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podready.runtime.settings.watch import Watch

_taken: dict[str, str] = {}
"""Secrets that were taken out of the environment, for whoever loads again in this process."""


class Schema:
    """A class of settings, whichever library made it, and the options it is read with."""

    def __init__(self, kind: Any, options: Options) -> None:
        self.kind, self.options = kind, options
        self.section: Section = section_of(kind, options)

    def variables(self) -> tuple[Variable, ...]:
        """Return all variables, those of sections too, in the order of the fields."""
        return tuple(self.section.variables())

    def read(self, environ: Mapping[str, str], *, desk: bool = False) -> Reading:
        """Read without raising; `desk` allows the `.env` of the options outside Kubernetes."""
        return read(self.section, self.options, environ, desk=desk)

    def load(self, environ: Mapping[str, str] | None = None) -> Any:
        """Return an instance; see `Settings.load`, which this is."""
        given = {**_taken, **os.environ} if environ is None else environ
        reading = self.read(given, desk=environ is None)
        if reading.problems:
            from podready.errors import SettingsError
            from podready.runtime.settings.announce import announce
            from podready.runtime.settings.report import render_report

            raise announce(SettingsError(render_report(reading.problems, self.options.prefix)))
        if self.options.unset_secrets and environ is None:
            self._take_secrets()
        return reading.value

    def _take_secrets(self) -> None:
        for variable in self.variables():
            if variable.secret and variable.name in os.environ:
                _taken[variable.name] = os.environ.pop(variable.name)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(var,))
class Settings:
    """Base of a class whose annotated fields are environment variables.

    A subclass is what a frozen, keyword-only dataclass is, for `dataclasses.replace`, `asdict` and
    `fields` too; a `__post_init__` may raise ValueError. The variable of a field is `prefix` plus
    the field's name in upper case, unless `var(env=...)` names it. A field whose type is such a
    class itself is a section: its variables have the field's name and `delimiter` before theirs.
    `unknown="ignore"` switches off the search for misspelt variables, which takes place only when
    there is a prefix. `directories` hold files named for variables, `env_file` is read outside
    Kubernetes only, and `unset_secrets` takes what is Secret out of `os.environ` once it is read.
    """

    _options: ClassVar[Options] = Options()
    _declared: ClassVar[dict[str, Declaration]] = {}
    __dataclass_fields__: ClassVar[Any] = AsDataclass("__dataclass_fields__")
    __dataclass_params__: ClassVar[Any] = AsDataclass("__dataclass_params__")

    def __init_subclass__(
        cls,
        *,
        prefix: str | None = None,
        unknown: Unknown | None = None,
        delimiter: str | None = None,
        directories: Sequence[str] | None = None,
        env_file: str | None = None,
        unset_secrets: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        given = {
            "prefix": prefix,
            "unknown": unknown,
            "delimiter": delimiter,
            "directories": None if directories is None else tuple(map(str, directories)),
            "env_file": env_file,
            "unset_secrets": unset_secrets,
        }
        said = {name: value for name, value in given.items() if value is not None}
        cls._options = cls._options.replace(**said)
        cls._declared = declarations(cls)

    def __init__(self, **values: Any) -> None:
        fill(self, values)
        check = getattr(self, "__post_init__", None)
        if check is not None:
            check()

    def __setattr__(self, name: str, value: object) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __repr__(self) -> str:
        pairs = zip(self._declared, values_of(self), strict=True)
        return f"{type(self).__qualname__}({', '.join(f'{k}={v!r}' for k, v in pairs)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return values_of(self) == values_of(other)

    def __hash__(self) -> int:
        return hash((type(self), values_of(self)))

    @classmethod
    def schema(cls) -> Schema:
        """Return the class as a tree of sections and variables."""
        found: Schema | None = cls.__dict__.get("_schema")
        if found is None:
            found = Schema(cls, cls._options)
            cls._schema = found  # type: ignore[attr-defined]  # computed once per class
        return found

    @classmethod
    def default_of(cls, field: str) -> Any:
        """Return the default of a field in its own type, as it is when an instance is made."""
        member = next(each for each in cls.schema().section.members if each.field == field)
        if isinstance(member, Variable):
            return member.fresh_default()
        return cls._declared[field].default

    @classmethod
    def variables(cls) -> tuple[Variable, ...]:
        """Return the variables in the order of the fields."""
        return cls.schema().variables()

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings from `environ`, by default the environment of the process.

        Only the latter is filled up from `env_file`. Raises SettingsError with one report of
        everything that is missing, empty, invalid or misspelt. The report is written once, before
        it is raised: as a log line where podready's logs are configured, else to stderr; and as
        the pod's termination message. SettingsError is a SystemExit with code 78 too, so that
        nobody need catch it: plain `python`, uvicorn and gunicorn end with the report and exit
        code 78 and show no traceback. Load at import or in `main`, not in a handler.
        """
        return cls.schema().load(environ)  # type: ignore[no-any-return]

    def watch(self, callback: Callable[[Self], object], *, every: float = 5.0) -> Watch[Self]:
        """Look every `every` seconds whether the mounted files have changed; then load again.

        `callback` gets the new settings, in a thread of its own, when a value differs. What is
        wrong is logged and changes nothing. `stop()` of the result ends it. Environment variables
        never change in a running pod, only files do, and those mounted with `subPath` do not.
        Call it in the process that serves, for example in the app's lifespan: threads do not
        survive a fork.
        """
        from podready.runtime.settings.watch import Watch

        return Watch(self.schema(), self, callback, {**_taken, **os.environ}, every).start()
