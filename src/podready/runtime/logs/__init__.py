"""Logs as an event stream on stdout: one JSON object a line, or readable lines at a terminal.

`configure` is the one line an app needs (`podready run` calls it by itself); from then on
`logging.getLogger(...)` of the app, its libraries and its server all come out in the same form:

    {"severity":"INFO","message":"paid","time":"2026-11-23T01:23:45.123456Z","logger":"shop","order":42}

structlog and loguru write through the same writer (`intake`). This package imports neither asyncio
nor logging here, because PID 1 logs with `log_event`. Apps import `podready.logs`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from podready.errors import SettingsError
from podready.runtime.logs.announce import announce
from podready.runtime.logs.context_fields import add_source, context
from podready.runtime.logs.encoder import use_orjson
from podready.runtime.logs.options import READABLE, LogOptions, chosen_format, log_options
from podready.runtime.logs.output import OUTPUT, flush
from podready.runtime.severity import level_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Format",
    "add_source",
    "block_until",
    "configure",
    "context",
    "dropped_lines",
    "end_blocking",
    "flush",
    "is_configured",
    "lines_wait",
    "log_event",
    "select",
    "take_over",
]

Format = Literal["auto", "gcp", "otel", "ecs", "datadog", "console", "plain"]


def configure(
    format: Format = "auto",  # noqa: A002 - the word that fits
    level: str | int = "INFO",
    *,
    options: LogOptions | None = None,
) -> None:
    """Send all logs of this process to stdout in one form; may be called again.

    `format` is `gcp` (JSON in Cloud Logging's words), `otel`, `ecs`, `datadog`, `console`
    (readable), `plain` (the same without colours) or `auto`: console at a terminal, else gcp. The
    variables PODREADY_LOG_* win over the arguments, and complete `options` over everything. The
    root logger's handlers and those of servers are replaced; warnings and uncaught exceptions of
    any thread come in the same form. Raises ValueError for a format or level that does not exist,
    and SettingsError (exit code 78) for variables that cannot be used.
    """
    from podready.runtime.logs.intake.capture import capture
    from podready.runtime.logs.writing.last_lines import flush_at_sigterm, flush_in_children

    use_orjson()
    chosen = options or _options(format, level)
    OUTPUT.open(chosen).patient = True
    readable = chosen.format in READABLE
    capture(OUTPUT, takeover=chosen.takeover, prints=chosen.prints and not readable)
    flush_at_sigterm(flush)
    flush_in_children(flush)


def take_over() -> None:
    """Re-form the lines of libraries that have put up handlers since `configure`.

    `podready run` calls it after the app was imported and after its start-up.
    """
    from podready.runtime.logs.intake.takeover import take_over as replace_handlers

    replace_handlers(OUTPUT)


def select(
    format: Format = "auto",  # noqa: A002 - the word that fits
    level: str | int = "INFO",
    *,
    options: LogOptions | None = None,
) -> None:
    """Choose format and level for `log_event` only: for PID 1, which runs no user code.

    It answers probes and keeps the deadlines of all others, so it waits for no reader, whatever
    the options say.
    """
    chosen = options or _options(format, level)
    OUTPUT.open(chosen._replace(block=False)).patient = False


def _options(format_: str, level: str | int) -> LogOptions:
    # ValueError for what the caller gave; a bad variable is not the caller's mistake.
    chosen_format(format_)
    level_of(level)
    try:
        return log_options(os.environ, format_, str(level))
    except SettingsError as error:
        raise announce(error) from None


def log_event(severity: str, message: str, /, **fields: object) -> None:
    """Log one event without the standard library's logging; never blocks, never raises.

    `severity` is one of Cloud Logging's words, `stack_trace` a text that somebody has formatted.
    """
    OUTPUT.event(severity, message, fields)


def is_configured() -> bool:
    """Say whether somebody has configured this process's log; a line that was written is no sign.

    `configure`, `wrap` and `podready run` do; the first line of another process opens the log, too.
    """
    return OUTPUT.is_configured


def dropped_lines() -> int:
    """Return how many lines this process has dropped so far because nobody read them."""
    return OUTPUT.writer.dropped if OUTPUT.writer else 0


def lines_wait() -> bool:
    """Say whether lines of this process wait for a reader that is behind."""
    return OUTPUT.writer is not None and OUTPUT.writer.waiting


def block_until(over: Callable[[], bool]) -> None:
    """Set what ends the waiting of PODREADY_LOG_ON_STALL=block.

    `over` is asked ten times a second while a line waits, by the thread that waits, which may be
    the event loop's; once it says yes, lines are dropped as without that setting.
    """
    if OUTPUT.writer:
        OUTPUT.writer.gives_up = over


def end_blocking() -> None:
    """Wait for no reader from now on: this process has to end in time."""
    if OUTPUT.writer:
        OUTPUT.writer.block = False
