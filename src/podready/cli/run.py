"""`podready run MODULE:ATTR`: the app in its pod, under the supervisor."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from podready.cli.console import say
from podready.contract import ExitCode
from podready.errors import PodreadyError
from podready.runtime.logs import select
from podready.runtime.run_config import OPTIONS, load_config
from podready.runtime.supervisor.supervisor import supervise
from podready.runtime.termination import write_termination_message
from podready.runtime.worker.start import WorkerStart

if TYPE_CHECKING:
    from podready.cli.help import Row

_DESCRIPTION: Final = """
Run an ASGI or WSGI app: probes on their own port before the app is imported, and on SIGTERM a
drain that loses nothing, inside one grace period.
"""
_EXAMPLES: Final = (
    "podready run main:app",
    "podready run 'main:create_app()'",
    "podready run main:app --port 3000 --drain-delay 10s --grace-period 60s",
    "PODREADY_PORT=3000 podready run mysite.wsgi:application --no-access-log",
)
_NOTE: Final = """
Each option is also an environment variable: --drain-delay is PODREADY_DRAIN_DELAY. A flag wins
over the variable, the variable over the default, which is in brackets.
"""
EXIT_CODES: Final = (
    ("0", "stopped, with nothing lost"),
    ("2", "a mistake in the command: no such option, or no such app"),
    ("3", "the app did not start"),
    ("70", "--strict-exit: work in flight was cut at the deadline"),
    ("78", "settings are missing or invalid, podready's or the app's"),
)


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code, in the supervisor as in a forked worker."""
    if "--help" in arguments or "-h" in arguments:
        say(help_text())
        return ExitCode.OK
    _fill_standard_descriptors()
    try:
        config = load_config(arguments, os.environ)
    except PodreadyError as error:
        write_termination_message(str(error))
        raise
    select(options=config.logs())
    outcome = supervise(config)
    if isinstance(outcome, WorkerStart):
        from podready.runtime.worker.exit import end_process
        from podready.runtime.worker.worker import run_worker

        end_process(run_worker(outcome))
    return outcome


def _fill_standard_descriptors() -> None:
    """Open /dev/null for what the caller has closed of 0, 1 and 2.

    A socket would get the number else, and what is written to stdout would go to a client.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the kernel gives the lowest number that is free


def help_text() -> str:
    """Return the help, made from the table of settings."""
    from podready.cli.help import HelpPage  # pods start without it

    groups: dict[str, list[Row]] = {}
    for option in OPTIONS:
        row = (option.usage, f"{option.help} [{option.default_text}]")
        groups.setdefault(option.group, []).append(row)
    return HelpPage(
        usage="podready run MODULE:ATTR [OPTIONS]",
        description=_DESCRIPTION,
        groups=tuple(groups.items()),
        examples=_EXAMPLES,
        note=_NOTE,
        exit_codes=EXIT_CODES,
    ).render()
