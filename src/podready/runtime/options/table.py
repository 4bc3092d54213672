"""A table of settings: each row knows its flag, its variable, how its text is read and its help.

The rows come from the fields of a dataclass, declared with `setting`. A flag wins over the
variable, the variable over the default. All bad values are reported together.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from podready.contract import ENV_PREFIX
from podready.runtime.options.kinds import SECRET, SWITCH
from podready.runtime.options.secret_files import read_secret
from podready.values.service_links import is_service_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from podready.runtime.options.kinds import Kind


def setting(
    default: Any,
    kind: Kind,
    help_: str,
    shown: str = "",
    *,
    group: str = "",
    fallback: str = "",
    formerly: str = "",
    secret: bool = False,
) -> Any:
    """Return the dataclass field of one setting.

    `shown` is the default as the help text has it, `group` its heading there. `fallback` is a
    variable that is read last, `formerly` the setting's old name, which is refused, and a `secret`
    is left out of the dataclass's repr.
    """
    metadata = {
        "kind": kind,
        "help": help_,
        "shown": shown,
        "group": group,
        "fallback": fallback,
        "formerly": formerly,
    }
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table: a setting with its flag and its variable."""

    name: str
    kind: Kind
    default: Any
    help: str
    shown: str
    group: str
    fallback: str
    formerly: str

    @property
    def flag(self) -> str:
        """The flag on the command line; a secret comes from a file, for all can read argv."""
        return flag_of(self.name) + ("-file" if self.kind is SECRET else "")

    @property
    def is_switch(self) -> bool:
        """Whether the flag alone says it, with `--no-...` for the opposite."""
        return self.kind is SWITCH

    @property
    def usage(self) -> str:
        """The flag with what may follow it, as the help text shows it."""
        if self.is_switch:
            return f"{self.flag}/--no-{self.flag[2:]}"
        return f"{self.flag} {self.kind.metavar}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return variable_of(self.name)

    @property
    def variables(self) -> tuple[str, ...]:
        """All of podready's variables that are read for it, the one that wins first."""
        more = (f"{self.variable}_FILE",) if self.kind is SECRET else ()
        return self.variable, *more

    @property
    def default_text(self) -> str:
        """The default as the help text shows it."""
        return self.shown or str(self.default).lower()


def flag_of(name: str) -> str:
    """Return the flag of a setting by its name."""
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """Return the environment variable of a setting by its name."""
    return ENV_PREFIX + name.upper()


def options_of(cls: Any, group: str = "") -> tuple[Option, ...]:
    """Return a row for each field of a dataclass that was declared with `setting`.

    `group` is the heading of rows that have none of their own.
    """
    return tuple(
        Option(
            item.name,
            default=item.default,
            **{**item.metadata, "group": item.metadata["group"] or group},
        )
        for item in fields(cls)
        if item.metadata
    )


def read_options(
    options: Iterable[Option],
    flags: Mapping[str, str],
    environ: Mapping[str, str],
    values: dict[str, Any],
) -> list[str]:
    """Add to `values` what flags and variables set; return a sentence for each bad one.

    `flags` holds the texts of the command line by the names of the settings.
    """
    problems = []
    for option in options:
        old = variable_of(option.formerly)
        if option.formerly and environ.get(old, "").strip():
            problems.append(f"{old} is now {option.variable}: set that one instead")
        try:
            source, text = _find(option, flags, environ)
            if text is not None:
                values[option.name] = _parse(option, source, text)
        except ValueError as error:
            problems.append(str(error))
    return problems


def report(who: str, problems: Iterable[str]) -> str:
    """Return one text with every problem on a line of its own."""
    return f"{who} cannot use these settings:" + "".join(f"\n  {each}" for each in problems)


def _parse(option: Option, source: str, text: str) -> Any:
    """Return the value; raises ValueError with the sentence for the user."""
    try:
        return option.kind.parse(text)
    except ValueError as error:
        shown = "its value" if option.kind is SECRET else repr(text)
        raise ValueError(f"{source}: {shown} is not {error}") from None


def _find(
    option: Option, flags: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[str, str | None]:
    """Return where the option's text comes from, and the text (None: the default holds)."""
    if option.kind is SECRET:
        return _find_secret(option, flags, environ)
    if option.name in flags:
        return option.flag, flags[option.name]
    text = environ.get(option.variable, "").strip()  # empty is unset: templates write such
    if text and not is_service_link(option.variable, text):
        return option.variable, text
    if option.fallback and environ.get(option.fallback, "").strip():
        return option.fallback, environ[option.fallback]
    return option.variable, None


def _find_secret(
    option: Option, flags: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[str, str | None]:
    """Do what `_find` does for a secret, which may be in a file; raises ValueError without one."""
    in_file = f"{option.variable}_FILE"
    if option.name in flags:
        return option.flag, read_secret(option.flag, flags[option.name])
    if option.variable in environ:
        return option.variable, environ[option.variable]
    if in_file in environ:
        return in_file, read_secret(in_file, environ[in_file])
    return option.variable, None
