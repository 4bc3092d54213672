"""Taking a command line apart by a table of options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.errors import UsageError
from podready.runtime.options.table import flag_of
from podready.values import parse_boolean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from podready.runtime.options.table import Option


class CommandLine:
    """What was read of the arguments so far; `flags` holds texts by the settings' names."""

    def __init__(self, command: str, options: dict[str, Option], rest: list[str]) -> None:
        self.command = command
        self.options = options
        self.rest = rest
        self.arguments: list[str] = []
        self.flags: dict[str, str] = {}

    def read(self) -> None:
        """Read all that is left; raises UsageError with one sentence."""
        while self.rest:
            argument = self.rest.pop(0)
            if argument.startswith("-"):
                self._read_flag(argument)
            else:
                self.arguments.append(argument)

    def _read_flag(self, argument: str) -> None:
        flag, equals, text = argument.partition("=")
        option = self.options.get(flag)
        if option is not None:
            self.flags[option.name] = text if equals else self._value_of(option)
        elif self._negated(flag) is not None:
            self._switch_off(flag, equals)
        else:
            self._read_unknown(argument)

    def _negated(self, flag: str) -> Option | None:
        """Return the switch that `--no-...` turns off."""
        option = self.options.get("--" + flag.removeprefix("--no-"))
        return option if flag.startswith("--no-") and option and option.is_switch else None

    def _switch_off(self, flag: str, equals: str) -> None:
        option = self._negated(flag)
        assert option is not None
        if equals:
            raise UsageError(f"{flag} takes no value; say {flag} or {option.flag}")
        self.flags[option.name] = "false"

    def _value_of(self, option: Option) -> str:
        following = self.rest[0] if self.rest else None
        if option.is_switch:
            return self.rest.pop(0) if following and _is_boolean(following) else "true"
        if following is None or following.startswith("--"):
            raise UsageError(f"{option.flag} needs a value ({option.kind.metavar})")
        return self.rest.pop(0)

    def _read_unknown(self, argument: str) -> None:
        """Read a flag of another server that means the same here, or refuse it."""
        flag = argument.partition("=")[0]
        for option in self.options.values():
            if option.formerly and flag in {
                flag_of(option.formerly),
                f"--no-{option.formerly.replace('_', '-')}",
            }:
                raise UsageError(f"{flag} is now {option.flag}")
        from podready.runtime.options.foreign_flags import translate

        own = translate(argument, self.rest, self.flags)
        if own is None:
            raise UsageError(self._no_option(flag))
        self.rest[:0] = own

    def _no_option(self, flag: str) -> str:
        from podready.values.closest_match import closest_match  # only a mistake needs it

        near = closest_match(flag, self.options) if flag.startswith("--") else None
        hint = f"; did you mean {near}?" if near else f"; see {self.command} --help"
        return f"{self.command} has no option {flag}{hint}"


def read_command_line(
    command: str, options: Iterable[Option], arguments: Sequence[str]
) -> CommandLine:
    """Return the arguments taken apart; `command` is what messages call the command.

    A switch takes a value after `=` or a boolean as the next argument. Raises UsageError for what
    is no option, and for an option without its value.
    """
    line = CommandLine(command, {option.flag: option for option in options}, list(arguments))
    line.read()
    return line


def _is_boolean(text: str) -> bool:
    try:
        parse_boolean(text)
    except ValueError:
        return False
    return True
