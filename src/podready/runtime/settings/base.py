"""The base class of an app's settings.

It does what a frozen dataclass does without being one: the standard library compiles six functions
for each class, which would make a start with settings half as long again
(docs/decisions/0020-settings-are-no-real-dataclasses.md).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, dataclass_transform, get_origin

from podready.runtime.settings.environment import process_environment
from podready.runtime.settings.load import Schema
from podready.runtime.settings.schema import Variable
from podready.runtime.settings.variable import MISSING, Declaration, Options, var

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from podready.runtime.settings.variable import Unknown
    from podready.runtime.settings.watch import Watch

_CACHES: Final = ("_schema", "_dataclass")
"""What is computed once for a class and kept in it."""


class DataclassAttribute:
    """An attribute that only a real dataclass has: looked up on the one of `dataclass_view`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, _instance: object, owner: Any) -> Any:
        from podready.runtime.settings.dataclass_view import dataclass_of

        return getattr(dataclass_of(owner), self._name)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(var,))
class Settings:
    """Base of a class whose annotated fields are environment variables.

    A subclass is what a frozen, keyword-only dataclass is, for `dataclasses.replace`, `asdict` and
    `fields` too; a `__post_init__` may raise ValueError. The variable of a field is `prefix` plus
    the field's name in upper case, unless `var(env=...)` names it. A field whose type is such a
    class itself is a section: its variables have the field's name and `delimiter` before theirs.
    `unknown="ignore"` switches off the search for misspelt variables, which takes place only when
    there is a prefix. `directories` hold files named for variables, `env_file` is read outside
    Kubernetes only, and `unset_secrets` removes what is Secret from `os.environ` once it is read.
    """

    # Not annotated: the annotations of bases are evaluated for each class, at each start.
    _options = Options()
    _declared = dict[str, Declaration]()  # noqa: RUF012 - replaced in subclasses, never changed
    __dataclass_fields__ = DataclassAttribute("__dataclass_fields__")
    __dataclass_params__ = DataclassAttribute("__dataclass_params__")

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
        values = {
            "prefix": prefix,
            "unknown": unknown,
            "delimiter": delimiter,
            "directories": None if directories is None else tuple(map(str, directories)),
            "env_file": env_file,
            "unset_secrets": unset_secrets,
        }
        passed = {name: value for name, value in values.items() if value is not None}
        cls._declared = _declarations(cls)
        cls._options = cls._options.replace(**passed)

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
        schema: Schema | None = cls.__dict__.get("_schema")
        if schema is None:
            schema = Schema(cls, cls._options)
            cls._schema = schema  # type: ignore[attr-defined]  # computed once per class
        return schema

    @classmethod
    def default_of(cls, field: str) -> Any:
        """Return the default of a field in its own type, as a new instance has it."""
        member = next(each for each in cls.schema().section.members if each.field == field)
        if isinstance(member, Variable):
            return member.make_default()
        return cls._declared[field].default

    @classmethod
    def variables(cls) -> tuple[Variable, ...]:
        """Return the variables in the order of the fields."""
        return cls.schema().variables()

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings from `environ`, by default the environment of the process.

        Only the process's environment is completed by `env_file`. Raises SettingsError with one
        report of everything that is missing, empty, invalid or misspelt. The report is written
        once, before it is raised: as a log line where podready's logs are configured, else to
        stderr; and as the pod's termination message. SettingsError is a SystemExit with code 78
        too, so that it need not be caught: plain `python`, uvicorn and gunicorn end with the
        report and exit code 78 and show no traceback. Load at import, not in a handler.
        """
        return cls.schema().load(environ)  # type: ignore[no-any-return]

    def watch(self, callback: Callable[[Self], object], *, every: float = 5.0) -> Watch[Self]:
        """Load again when mounted files change; they are looked at every `every` seconds.

        `callback` gets the new settings, in a thread of its own, when a value differs. Invalid
        settings are logged and change nothing. `stop()` of the result ends it. Environment
        variables never change in a running pod, nor do files mounted with `subPath`.
        Call it in the process that serves, for example in the app's lifespan: threads do not
        survive a fork.
        """
        from podready.runtime.settings.watch import Watch

        return Watch(self.schema(), self, callback, process_environment(), every).start()


def _declarations(kind: type) -> dict[str, Declaration]:
    """Return the fields of a class, those of its bases first, and leave only plain defaults."""
    declarations: dict[str, Declaration] = {}
    for base in reversed(kind.__mro__[1:]):
        declarations |= base.__dict__.get("_declared", {})
    for name, hint in _annotations(kind).items():
        if _is_class_variable(hint):
            continue
        if hasattr(Settings, name) or name in _CACHES:
            raise TypeError(
                f"{kind.__name__}.{name}: the name is reserved by podready.Settings; "
                f"choose another and var(env={name.upper()!r})"
            )
        declarations[name] = _declaration(kind, name)
    return declarations


def _annotations(kind: type) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations

        return get_annotations(kind, format=Format.FORWARDREF)
    hints: dict[str, Any] = kind.__dict__.get("__annotations__", {})  # noqa: RUF063 - 8 ms
    return hints


def _is_class_variable(hint: Any) -> bool:
    if type(hint) is type:
        return False
    if isinstance(hint, str):
        return hint.partition("[")[0].rpartition(".")[2] == "ClassVar"
    return hint is ClassVar or get_origin(hint) is ClassVar


def _declaration(kind: type, name: str) -> Declaration:
    """Return what `var`, dataclasses.field or a default declares."""
    value = kind.__dict__.get(name, MISSING)
    if isinstance(value, Declaration):
        delattr(kind, name)
        return value
    if type(value).__module__ == "dataclasses" and type(value).__name__ == "Field":
        delattr(kind, name)
        from podready.runtime.settings.adapters.plain_dataclasses import declared_of

        return declared_of(value)
    return Declaration(default=value)


def _fill(instance: Any, values: dict[str, Any]) -> None:
    """Set the fields of a new instance; TypeError as a function's call raises it."""
    kind = type(instance)
    declared: dict[str, Declaration] = kind._declared
    unknown = [name for name in values if name not in declared]
    if unknown:
        raise TypeError(f"{kind.__name__}() got an unexpected keyword argument {unknown[0]!r}")
    missing = []
    for name, declaration in declared.items():
        if name in values:
            instance.__dict__[name] = values[name]
        elif declaration.default is MISSING:
            missing.append(repr(name))
        else:
            instance.__dict__[name] = kind.default_of(name)
    if missing:
        raise TypeError(f"{kind.__name__}() lacks the keyword arguments {', '.join(missing)}")


def _values_of(instance: Any) -> tuple[Any, ...]:
    """Return the values in the order of the fields."""
    return tuple(getattr(instance, name) for name in type(instance)._declared)
