"""What a settings class declares: each variable with `var`, its options with class keywords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    Unknown = Literal["error", "ignore"]


class Missing:
    """The default of a variable that has none."""


MISSING: Final = Missing()
COMPUTED: Final = Missing()
"""The default of a variable whose class computes one when it is made."""


@dataclass_transform(kw_only_default=True)
class Keywords:
    """Base of a set of keyword arguments; those that are not passed are as in the class.

    It reads as a dataclass does and is made in a tenth of the time.
    """

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some values changed."""
        return type(self)(**{**self.__dict__, **changes})


class Declaration(Keywords):
    """The arguments of `var`.

    It has no hash, so that a plain dataclass refuses it as a default: it belongs in `Settings`.
    """

    default: Any = MISSING
    env: str | None = None
    doc: str = ""
    separator: str = ","
    key_separator: str = "="
    allow_empty: bool = False
    expand: bool = False
    parser: Callable[[str], Any] | None = None

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # see above


class Options(Keywords):
    """The options of a class; a subclass inherits them.

    `prefix` begins each variable's name. `unknown` says whether a misspelt name with the prefix
    is an error. `delimiter` stands between the name of a section and the names of its variables.
    `directories` are searched for files that are named for variables (Docker's /run/secrets, a
    mounted ConfigMap or Secret, Spring's config tree). `env_file` is read outside Kubernetes
    only. `unset_secrets` removes secrets from the process's environment once they are read.
    """

    prefix: str = ""
    unknown: Unknown = "error"
    delimiter: str = "_"
    directories: tuple[str, ...] = ()
    env_file: str | None = None
    unset_secrets: bool = False


def var(
    *,
    default: Any = MISSING,
    env: str | None = None,
    doc: str = "",
    separator: str = ",",
    key_separator: str = "=",
    allow_empty: bool = False,
    expand: bool = False,
    parser: Callable[[str], Any] | None = None,
) -> Any:
    """Declare a variable of a `Settings` class.

    `default` makes it optional; a text is parsed like the variable itself (`default="5m"` for a
    timedelta). `env` is the full name, where it is not prefix + upper-case field name; of a
    section, what the names of its variables begin with. `doc` is shown in error reports and by
    `podready settings`. `separator` divides lists and dicts, `key_separator` a dict's keys from
    their values. An empty value is an error unless `allow_empty` (then `X | None` reads as None).
    `expand` replaces `${NAME}` and `${NAME:-default}` in the text. `parser` replaces the type's
    own: it takes the text and raises ValueError.
    """
    return Declaration(**locals())
