"""Click commands that show their help and their mistakes as `podready run` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from podready.cli.help import HelpPage, Row
from podready.errors import UsageError
from podready.values.closest_match import closest_match


class CommandOption(click.Option):
    """A click option with the heading under which the help shows it."""

    def __init__(self, *arguments: Any, group: str = "options", **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.group = group


class Command(click.Command):
    """A click command with examples and exit codes in its help."""

    def __init__(
        self,
        *arguments: Any,
        examples: Sequence[str] = (),
        exit_codes: Sequence[Row] = (),
        tables: Sequence[tuple[str, Sequence[Row]]] = (),
        **settings: Any,
    ) -> None:
        settings.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*arguments, **settings)
        self.examples = examples
        self.exit_codes = exit_codes
        self.tables = tables  # headings with rows, after those of the options

    def get_help(self, ctx: click.Context) -> str:
        """Return the page in podready's style."""
        pieces = [piece for piece in self.collect_usage_pieces(ctx) if piece != "[OPTIONS]"]
        return HelpPage(
            usage=" ".join([ctx.command_path, *pieces, "[OPTIONS]"]),
            description=self.help or "",
            groups=[*self._groups(ctx), *self.tables],
            examples=self.examples,
            exit_codes=self.exit_codes,
        ).render()

    def _groups(self, ctx: click.Context) -> list[tuple[str, list[Row]]]:
        groups: dict[str, list[Row]] = {}
        for parameter in self.get_params(ctx):
            row = _row(parameter, ctx)
            if row is not None:
                groups.setdefault(getattr(parameter, "group", "options"), []).append(row)
        return list(groups.items())


def _row(parameter: click.Parameter, ctx: click.Context) -> Row | None:
    record = parameter.get_help_record(ctx)
    if record is None or not isinstance(parameter, click.Option):
        return None  # an argument is in the usage line
    if "--help" in parameter.opts:
        return "-h, --help", "print this"
    default = parameter.default if parameter.show_default is True else parameter.show_default
    shown = f" [{default}]" if default not in {None, False} else ""
    return record[0], f"{parameter.help or ''}{shown}"


def as_usage_error(name: str, command: click.Command, error: click.ClickException) -> UsageError:
    """Return the mistake that click found as one sentence in podready's style."""
    whole = f"podready {name}"
    if isinstance(error, click.NoSuchOption):
        flags = [flag for each in command.params for flag in each.opts if flag.startswith("--")]
        near = closest_match(error.option_name, flags)
        hint = f"did you mean {near}?" if near else f"see {whole} --help"
        return UsageError(f"{whole} has no option {error.option_name}; {hint}")
    if isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter):
        return UsageError(f"{_source_of(error)}: {error.message.rstrip('.')}")
    message = error.format_message().rstrip(".")
    return UsageError(f"{whole}: {message[:1].lower()}{message[1:]}; see {whole} --help")


def _source_of(error: click.BadParameter) -> str:
    parameter = error.param
    if parameter is None:
        return "podready"
    is_option = isinstance(parameter, click.Option)
    return parameter.opts[0] if is_option else parameter.human_readable_name
