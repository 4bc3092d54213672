"""`podready COMMAND`: picks the command and turns errors into one line and an exit code.

`podready run` takes a path of its own that imports neither click nor any of the developer's tools,
because it is how every pod starts. The other commands are click commands, imported by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from podready import __version__
from podready.cli.console import complain, say
from podready.contract import ExitCode
from podready.errors import MissingExtra, PodreadyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = "run"

TOOLS: Final = {
    "rehearse": ("podready.cli.rehearse:rehearse", "rehearse", "rehearse a rollout under load"),
    "settings": (
        "podready.cli.settings:settings",
        "rehearse",
        "show, check and document what an app reads from its environment",
    ),
}
"""Command -> click command, the extra it needs, and its line in the help."""

RENAMED: Final = {"config": "settings"}
"""Commands of earlier versions -> their present names."""

_RUN_HELP: Final = "run an ASGI or WSGI app in its pod: probes, drain, one grace budget"
_DESCRIPTION: Final = """
podready makes a Python web application container- and Kubernetes-ready, and proves it.
"""
_OPTIONS: Final = (
    ("-V, --version", "print the version"),
    ("-h, --help", "print this; podready COMMAND --help has the options of a command"),
)
_EXAMPLES: Final = (
    "podready run main:app",
    "podready rehearse .",
    "podready settings main:AppSettings",
)
_EXIT_CODES: Final = (
    ("0", "no problem"),
    ("1", "rehearse: requests were dropped; settings --diff: differences"),
    ("2", "a mistake in the command, the project or its manifests"),
    ("3", "run: the app did not start; rehearse: inconclusive"),
    ("70", "run --strict-exit: work in flight was cut"),
    ("78", "settings are missing or invalid"),
    ("130", "stopped by Ctrl-C"),
)


def run_cli(argv: Sequence[str]) -> int:
    """Run the command line `argv` (without the program's name); returns the exit code."""
    try:
        return _dispatch(list(argv))
    except PodreadyError as error:
        complain(f"podready: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has had enough
        return ExitCode.OK


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in {"--help", "-h", "help"}:
        say(_help())
        return ExitCode.OK if argv else ExitCode.USAGE
    if argv[0] in {"--version", "-V"}:
        say(f"podready {__version__}")
        return ExitCode.OK
    if argv[0] == RUN:
        from podready.cli.run import run

        return run(argv[1:])
    if argv[0] in TOOLS:
        return _run_click(argv[0], argv[1:])
    if argv[0] in RENAMED:
        raise UsageError(f"podready {argv[0]} is called podready {RENAMED[argv[0]]} now")
    raise _no_command(argv[0])


def _no_command(name: str) -> UsageError:
    from podready.values.closest_match import closest_match

    if name.startswith("-"):
        return UsageError(f"podready has no option {name}; see podready --help")
    near = closest_match(name, [RUN, *TOOLS])
    hint = f"did you mean podready {near}?" if near else "see podready --help"
    if near is None and ":" in name:
        hint = f"did you mean podready run {name}?"
    return UsageError(f"podready has no command {name!r}; {hint}")


def _help() -> str:
    from podready.cli.help import HelpPage

    commands = [(RUN, _RUN_HELP), *((name, text) for name, (_, _, text) in TOOLS.items())]
    return HelpPage(
        usage="podready COMMAND ...",
        description=_DESCRIPTION,
        groups=[("commands", commands), ("options", _OPTIONS)],
        examples=_EXAMPLES,
        exit_codes=_EXIT_CODES,
    ).render()


def _run_click(name: str, arguments: list[str]) -> int:
    command = _load(name)
    import click

    from podready.cli.click_command import as_usage_error

    try:
        code = command.main(args=arguments, prog_name=f"podready {name}", standalone_mode=False)
    except click.ClickException as error:
        raise as_usage_error(name, command, error) from None
    except click.Abort:
        return ExitCode.INTERRUPTED
    return code if isinstance(code, int) else ExitCode.OK


def _load(name: str) -> Any:
    """Import a command; a part of its extra that is missing becomes one sentence."""
    from importlib import import_module

    dotted, extra, _ = TOOLS[name]
    module, _, attribute = dotted.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "podready":
            raise
        raise MissingExtra(name, extra) from error
