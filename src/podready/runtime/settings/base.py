"""The base class of an app's settings.

It does what a frozen dataclass does without being one: the standard library compiles six functions
for each class and imports `inspect`, 1 ms and 12 ms of a start.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, dataclass_transform, get_origin

from podready.runtime.settings.load import Reading, read
from podready.runtime.settings.schema import Section, Variable, section_of
from podready.runtime.settings.variable import MISSING, Declaration, Options, var

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from podready.runtime.settings.variable import Unknown
    from podready.runtime.settings.watch import Watch

_CACHES: Final = ("_schema", "_shadow")
"""What is computed once for a class and kept in it."""

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
        desk = environ is None  # and no mapping of all secrets in a local, for who logs locals
        reading = self.read(environment() if environ is None else environ, desk=desk)
        if reading.problems:
            from podready.errors import SettingsError
            from podready.runtime.logs.announce import announce
            from podready.runtime.settings.report import render_report

            raise announce(SettingsError(render_report(reading.problems, self.options.prefix)))
        if self.options.unset_secrets and desk:
            self._take_secrets()
        return reading.value

    def _take_secrets(self) -> None:
        """Keep what is secret where `environment` finds it, then take it out: in this order.

        Another thread that loads meanwhile finds it in one of the two places.
        """
        for variable in self.variables():
            for name in (variable.name, *variable.aliases) if variable.secret else ():
                text = os.environ.get(name)
                if text is None:
                    continue
                _taken[name] = text
                try:
                    del os.environ[name]
                except KeyError:  # another thread was first; `pop` would not be spared this either
                    pass


def environment() -> dict[str, str]:
    """Return the environment of the process, with the secrets that were taken out of it."""
    while True:
        try:
            now = {**os.environ}
        except (KeyError, RuntimeError):  # another thread changes it at this moment
            continue
        return {**_taken, **now}


class AsDataclass:
    """A class attribute that only a real dataclass has: looked up on one made for the purpose."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, _instance: object, owner: Any) -> Any:
        from podready.runtime.settings.shadow import shadow_of

        return getattr(shadow_of(owner), self._name)


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

    # Not annotated: the annotations of bases are evaluated for each class, at each start.
    _options = Options()
    _declared = dict[str, Declaration]()  # noqa: RUF012 - replaced in subclasses, never changed
    __dataclass_fields__ = AsDataclass("__dataclass_fields__")
    __dataclass_params__ = AsDataclass("__dataclass_params__")

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
        cls._declared = _declarations(cls)
        cls._options = cls._options.but(**said)

    def __init__(self, **values: Any) -> None:
        _fill(self, values)
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
        pairs = zip(self._declared, _values_of(self), strict=True)
        return f"{type(self).__qualname__}({', '.join(f'{k}={v!r}' for k, v in pairs)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _values_of(self) == _values_of(other)

    def __hash__(self) -> int:
        return hash((type(self), _values_of(self)))

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

        return Watch(self.schema(), self, callback, environment(), every).start()


def _declarations(kind: type) -> dict[str, Declaration]:
    """Return the fields of a class, those of its bases first, and leave only plain defaults."""
    found: dict[str, Declaration] = {}
    for base in reversed(kind.__mro__[1:]):
        found |= base.__dict__.get("_declared", {})
    for name, hint in _annotations(kind).items():
        if _is_class_variable(hint):
            continue
        if hasattr(Settings, name) or name in _CACHES:
            raise TypeError(
                f"{kind.__name__}.{name}: the name is taken by podready.Settings; "
                f"choose another and var(env={name.upper()!r})"
            )
        found[name] = _declaration(kind, name)
    return found


def _annotations(kind: type) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations

        return get_annotations(kind, format=Format.FORWARDREF)
    found: dict[str, Any] = kind.__dict__.get("__annotations__", {})  # noqa: RUF063 - 8 ms
    return found


def _is_class_variable(hint: Any) -> bool:
    if isinstance(hint, str):
        return hint.partition("[")[0].rpartition(".")[2] == "ClassVar"
    return hint is ClassVar or get_origin(hint) is ClassVar


def _declaration(kind: type, name: str) -> Declaration:
    """Return what was said with `var`, with dataclasses.field, or by a default."""
    said = kind.__dict__.get(name, MISSING)
    if isinstance(said, Declaration):
        delattr(kind, name)
        return said
    if type(said).__module__ == "dataclasses" and type(said).__name__ == "Field":
        delattr(kind, name)
        from podready.runtime.settings.adapters.plain_dataclasses import declared_of

        return declared_of(said)
    return Declaration(default=said)


def _fill(instance: Any, values: dict[str, Any]) -> None:
    """Set the fields of a new instance; TypeError as a function's call raises it."""
    kind = type(instance)
    declared: dict[str, Declaration] = kind._declared
    unknown = [name for name in values if name not in declared]
    if unknown:
        raise TypeError(f"{kind.__name__}() got an unexpected keyword argument {unknown[0]!r}")
    missing = []
    for name, said in declared.items():
        if name in values:
            instance.__dict__[name] = values[name]
        elif said.default is MISSING:
            missing.append(repr(name))
        else:
            instance.__dict__[name] = kind.default_of(name)
    if missing:
        raise TypeError(f"{kind.__name__}() lacks the keyword arguments {', '.join(missing)}")


def _values_of(instance: Any) -> tuple[Any, ...]:
    """Return the values in the order of the fields."""
    return tuple(getattr(instance, name) for name in type(instance)._declared)
