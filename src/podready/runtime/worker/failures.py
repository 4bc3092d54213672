"""Reports to the supervisor that a worker's start has failed, and with what exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.contract import ExitCode
from podready.errors import PodreadyError, SettingsError, UsageError
from podready.runtime.logs import lines_wait
from podready.runtime.logs.stack import shorten
from podready.runtime.loop.messages import StartupFailed

if TYPE_CHECKING:
    from podready.runtime.loop.channel import Channel


def report_failure(channel: Channel, error: PodreadyError) -> int:
    """Report a start that failed, and return the exit code of the pod."""
    users_mistake = isinstance(error, SettingsError | UsageError)
    code = error.exit_code if users_mistake else ExitCode.STARTUP_FAILED
    failure = StartupFailed(
        exit=code,
        message=shorten(str(error)),  # what does not fit into the socket would be lost
        trace=getattr(error, "trace", None),
        logged=getattr(error, "reported", False),
        log_waits=lines_wait(),
    )
    channel.send(failure)
    return code


def report_exit(channel: Channel, error: SystemExit) -> int:
    """Report an app that called sys.exit, and return the exit code of the pod.

    78 (EX_CONFIG) is kept: it means bad settings everywhere.
    """
    code = error.code if isinstance(error.code, int) else ExitCode.STARTUP_FAILED
    wanted = ExitCode.CONFIG if code == ExitCode.CONFIG else ExitCode.STARTUP_FAILED
    reason = f": {error.code}" if isinstance(error.code, str) else f" with exit code {error.code}"
    message = shorten(f"the app ended itself{reason}")
    channel.send(StartupFailed(exit=wanted, message=message, log_waits=lines_wait()))
    return wanted
