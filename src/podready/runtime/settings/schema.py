"""A settings class as a tree of sections and environment variables."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from podready.runtime.settings.parsers import SEQUENCES, Parser, is_scalar, parser_for, plain_type
from podready.runtime.settings.secret import MASK, Secret
from podready.runtime.settings.variable import COMPUTED, MISSING, Declaration, Missing, Options


class Field:
    """One field: the keyword of its class' constructor, its type, and what is declared of it."""

    def __init__(
        self,
        name: str,
        hint: Any,
        declared: Declaration,
        parser: Parser | None = None,
        attribute: str = "",
        aliases: tuple[str, ...] = (),
    ) -> None:
        self.name, self.hint, self.declared = name, hint, declared
        self.parser = parser  # instead of the type's own
        self.attribute = attribute or name  # its name in the class
        self.aliases = aliases  # further names of its variable


class ValidationError(Exception):
    """A class rejects its values: (field, reason) pairs, with an empty field for all of them."""

    def __init__(self, reasons: Sequence[tuple[str, str]]) -> None:
        super().__init__(reasons)
        self.reasons = reasons


class Adapter:
    """How classes of a library are read: their fields, and how an instance is made."""

    def __init__(
        self,
        fields: Callable[[Any], Iterable[Field]],
        make: Callable[[Any, dict[str, Any]], Any],
    ) -> None:
        self.fields, self.make = fields, make


_MARKS: Final = {
    "__attrs_attrs__": "attrs_classes",
    "__struct_fields__": "msgspec_structs",
    "model_fields": "pydantic_models",
    "__dataclass_fields__": "plain_dataclasses",
}
"""An attribute of the classes of a library -> the adapter that is imported for them."""


def adapter_of(kind: Any) -> Adapter | None:
    """Return the adapter of a class with fields, None for any other type."""
    if not isinstance(kind, type) or kind.__module__ == "builtins":
        return None
    if hasattr(kind, "_declared"):
        return SETTINGS_CLASS
    for mark, module in _MARKS.items():
        if hasattr(kind, mark):
            from importlib import import_module

            library = import_module(f"podready.runtime.settings.adapters.{module}")
            return library.ADAPTER  # type: ignore[no-any-return]
    return None


def hints_of(kind: type) -> dict[str, Any]:
    """Return the types of a class' fields; TypeError for a name that is not defined."""
    try:
        return get_type_hints(kind)
    except NameError as error:
        raise TypeError(
            f"{kind.__name__}: {error} at run time; it has to be in the module, not in "
            "a function, and imported outside `if TYPE_CHECKING:`"
        ) from None


def make(kind: Any, values: dict[str, Any]) -> Any:
    """Return an instance; an error of its __post_init__ concerns the whole of it."""
    return kind(**values)


def _fields(kind: Any) -> list[Field]:
    hints = hints_of(kind)
    return [Field(name, hints[name], declared) for name, declared in kind._declared.items()]


SETTINGS_CLASS: Final = Adapter(_fields, make)


class Variable:
    """One environment variable and the field it fills."""

    def __init__(self, field: Field, name: str, parser: Parser, default: Any) -> None:
        self.field, self.attribute = field.name, field.attribute
        self.hint, self.declared = field.hint, field.declared
        self.aliases = field.aliases
        self.name, self.parser = name, parser
        self.default = default  # of the field's type, or MISSING, or COMPUTED

    @property
    def required(self) -> bool:
        """Say whether the app cannot start without it."""
        return self.default is MISSING

    @property
    def secret(self) -> bool:
        """Say whether its type hides its value."""
        return self.parser.secret

    @property
    def sensitive(self) -> bool:
        """Say whether its value is never shown, because of its type, its name or its default.

        A default is sensitive if it is a URL with a password.
        """
        from podready.runtime.settings.report import is_sensitive_name, mask_userinfo

        text = "" if self.secret else self.default_text or ""
        return self.secret or is_sensitive_name(self.name) or mask_userinfo(text) != text

    def make_default(self) -> Any:
        """Return the default; of a list, dict or set a copy, so that instances share nothing."""
        default = self.default
        return default.copy() if isinstance(default, list | dict | set) else default

    @property
    def default_text(self) -> str | None:
        """The default as it would be in the environment; None where no text stands for it."""
        if isinstance(self.default, Missing) or self.default is None:
            return None
        if self.parser.write is not None:
            return self.parser.write(self.default)
        from podready.runtime.settings.types.texts import text_of

        return text_of(self.default, self.declared)

    @property
    def expected(self) -> str:
        """Return type and default as reports show them: `(int, default 8080)`."""
        if self.required:
            return f"({self.parser.name}, required)"
        return f"({self.parser.name}, default {self.shown_default})"

    @property
    def shown_default(self) -> str:
        """The default as reports show it, with stars for a secret."""
        if self.default is COMPUTED:
            return "computed"
        if self.sensitive and self.default:
            return MASK
        if self.default is None:
            return "none"
        empty = hasattr(self.default, "__len__") and not self.default
        return "empty" if empty else self.default_text or "empty"


class Section:
    """A class with fields: the whole of the settings, or a part of them with a name."""

    def __init__(
        self,
        kind: Any,
        field: str,
        prefix: str,
        adapter: Adapter,
        members: tuple[Variable | Section, ...],
        default: Any = MISSING,
        aliases: tuple[str, ...] = (),
    ) -> None:
        self.kind, self.field, self.adapter = kind, field, adapter
        self.prefix = prefix  # what the names of its variables begin with
        self.members = members
        self.default = default  # None: it may be missing as a whole
        self.aliases = aliases

    def variables(self) -> Iterator[Variable]:
        """Yield the variables of this section and of those inside it, in their order."""
        for member in self.members:
            if isinstance(member, Section):
                yield from member.variables()
            else:
                yield member

    def sections(self) -> Iterator[Section]:
        """Yield this section and those inside it."""
        yield self
        for member in self.members:
            if isinstance(member, Section):
                yield from member.sections()

    def names(self) -> set[str]:
        """Return every name of a variable that is read."""
        names = {name for section in self.sections() for name in section.aliases}
        for variable in self.variables():
            names |= {variable.name, *variable.aliases}
        return names


def section_of(kind: Any, options: Options) -> Section:
    """Return the tree of a class.

    Raises TypeError for an unknown type and for two fields with one name, and ValueError for a
    default that does not fit its own type: mistakes in the class, not in the environment.
    """
    adapter = adapter_of(kind)
    if adapter is None:
        raise TypeError(
            f"{kind!r} is not a class of settings, dataclasses, attrs, msgspec or pydantic"
        )
    members = _members(kind, adapter, options.prefix, options, MISSING, (kind,))
    root = Section(kind, "", options.prefix, adapter, members)
    _check_duplicates(root)
    return root


def _members(
    kind: Any,
    adapter: Adapter,
    prefix: str,
    options: Options,
    default: Any,
    outer: tuple[Any, ...],
) -> tuple[Variable | Section, ...]:
    """Return the members of a class; `default` is an instance whose values are the defaults."""
    members: list[Variable | Section] = []
    for field in adapter.fields(kind):
        if not isinstance(default, Missing):
            field.declared = field.declared.replace(default=getattr(default, field.attribute))
        section = _section(field, prefix, options, outer)
        members.append(section or _variable(kind, field, prefix))
    return tuple(members)


def _section(field: Field, prefix: str, options: Options, outer: tuple[Any, ...]) -> Section | None:
    """Return the section that a field is, None if it is a variable."""
    if is_scalar(field.hint):
        return None
    declared = field.declared
    kind, optional = _without_none(plain_type(field.hint))
    adapter = None if declared.parser or field.parser else adapter_of(kind)
    if adapter is None:
        return None
    if kind in outer:
        raise TypeError(f"{kind.__name__} contains itself: settings are a tree")
    own_prefix = _prefix(kind, field, prefix, options)
    instance = declared.default if isinstance(declared.default, kind) else MISSING
    members = _members(kind, adapter, own_prefix, options, instance, (*outer, kind))
    absent = None if optional and declared.default is None else MISSING
    return Section(kind, field.name, own_prefix, adapter, members, absent, field.aliases)


def _prefix(kind: Any, field: Field, prefix: str, options: Options) -> str:
    """Return what a section's names begin with: its own prefix, if its class has one."""
    if field.declared.env:
        return field.declared.env + options.delimiter
    own: Options | None = getattr(kind, "_options", None)
    if isinstance(own, Options) and own.prefix:
        return own.prefix
    return f"{prefix}{field.name.upper()}{options.delimiter}"


def _without_none(hint: Any) -> tuple[Any, bool]:
    """Return X and True for `X | None`, else the type itself and False."""
    if (get_origin(hint) or hint) not in (Union, types.UnionType):
        return hint, False
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    return (kinds[0], True) if len(kinds) == 1 else (hint, False)


def _variable(kind: Any, field: Field, prefix: str) -> Variable:
    declared = field.declared
    try:
        parser = field.parser or _parser(field.hint, declared)
    except TypeError as error:
        raise TypeError(f"{kind.__name__}.{field.attribute}: {error}") from None
    name = declared.env or f"{prefix}{field.name.upper()}"
    default = declared.default
    if field.parser is None:
        try:
            default = _default(field.hint, parser, default)
        except Exception as error:  # noqa: BLE001 - a parser given to var() may raise anything
            raise ValueError(_bad_default(kind, field, parser, error)) from None
    return Variable(field, name, parser, default)


def _bad_default(kind: Any, field: Field, parser: Parser, error: Exception) -> str:
    """Return what is wrong with a default that does not fit its field's type."""
    from podready.runtime.settings.app_errors import describe_error

    default = "" if parser.secret else f" {field.declared.default!r}"
    reason = "is not a valid secret" if parser.secret else describe_error(error, "cannot be parsed")
    return f"{kind.__name__}.{field.attribute}: the default{default} {reason}"


def _parser(hint: Any, declared: Declaration) -> Parser:
    """Return the parser of the type or of `var`; a Secret stays a Secret either way."""
    own = declared.parser
    if own is None:
        return parser_for(hint, declared.separator, declared.key_separator)
    if (get_origin(hint) or hint) is Secret:
        return Parser("secret", lambda text: Secret(own(text)), secret=True)
    return Parser(getattr(hint, "__name__", str(hint)), own)


def _default(hint: Any, parser: Parser, default: Any) -> Any:
    """Return a default in the field's type: texts are parsed, tuples become lists."""
    if type(default) is str and hint is not str:
        return parser.parse(default)
    if isinstance(default, list | tuple | set):
        make = SEQUENCES.get(get_origin(hint) or hint)
        return make(default) if make else default
    return default


def _check_duplicates(root: Section) -> None:
    seen: set[str] = set()
    for variable in root.variables():
        if variable.name in seen:
            raise TypeError(
                f"{root.kind.__name__}: two fields read {variable.name}: give one a name with "
                "var(env=...)"
            )
        seen.add(variable.name)
