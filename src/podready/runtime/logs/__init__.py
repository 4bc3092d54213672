"""Logs as an event stream on stdout: one JSON object a line, or readable lines at a terminal.

`configure` is the one line an app needs (`podready run` calls it by itself); from then on
`logging.getLogger(...)` of the app, its libraries and its server all come out in the same form:

    {"severity":"INFO","message":"paid","time":"2026-11-23T01:23:45.123456Z","logger":"shop","order":42}

structlog and loguru write through the same writer (`intake`). This package imports neither asyncio
nor logging here, because PID 1 logs with `log_event`. Apps import `podready.logs`.
"""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING, Literal

from podready.errors import SettingsError
from podready.runtime.logs.announce import announce
from podready.runtime.logs.context_fields import Source, context
from podready.runtime.logs.encoder import orjson_encoder
from podready.runtime.logs.log import LOG
from podready.runtime.logs.options import READABLE, LogOptions, chosen_format, log_options
from podready.runtime.logs.writing.writer import FLUSH_SECONDS
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
    "limit_last_flush",
    "lines_wait",
    "log_event",
    "replace_handlers",
    "select",
]

Format = Literal["auto", "gcp", "otel", "ecs", "datadog", "console", "plain"]


def configure(
    format: Format = "auto",  # noqa: A002 - the name that fits
    level: str | int = "INFO",
    *,
    options: LogOptions | None = None,
) -> None:
    """Send all logs of this process to stdout in one form; may be called again.

    `format` is `gcp` (JSON with Cloud Logging's names), `otel`, `ecs`, `datadog`, `console`
    (readable), `plain` (the same without colours) or `auto`: console at a terminal, else gcp. The
    variables PODREADY_LOG_* win over the arguments, and complete `options` over everything. The
    root logger's handlers and those of servers are replaced; warnings and uncaught exceptions of
    any thread come in the same form. Raises ValueError for a format or level that does not exist,
    and SettingsError (exit code 78) for variables that cannot be used.
    """
    from podready.runtime.logs.intake.hooks import install
    from podready.runtime.logs.writing.last_lines import flush_at_sigterm, flush_in_children

    LOG.encoder = orjson_encoder()
    chosen = options or _options(format, level)
    LOG.open(chosen).may_wait = True
    readable = chosen.format in READABLE
    install(LOG, replace=chosen.replace_handlers, stdout=chosen.capture_stdout and not readable)
    flush_at_sigterm(flush)
    flush_in_children(flush)


def replace_handlers() -> None:
    """Replace the handlers that libraries have put up since `configure`.

    `podready run` calls it after the app was imported and after its start-up.
    """
    from podready.runtime.logs.intake import handler_replacement

    handler_replacement.replace_handlers(LOG)


def select(
    format: Format = "auto",  # noqa: A002 - the name that fits
    level: str | int = "INFO",
    *,
    options: LogOptions | None = None,
) -> None:
    """Choose format and level for `log_event` only: for PID 1, which runs no user code.

    It answers probes and keeps the deadlines of all others, so it waits for no reader, whatever
    the options say.
    """
    chosen = options or _options(format, level)
    LOG.open(chosen._replace(block=False)).may_wait = False


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

    `severity` is one of Cloud Logging's, `stack_trace` a text that is formatted already.
    """
    LOG.event(severity, message, fields)


def is_configured() -> bool:
    """Say whether this process's log was configured; a line that was written is no sign of it.

    `configure`, `wrap` and `podready run` do; the first line of another process opens the log, too.
    """
    return LOG.is_configured


def dropped_lines() -> int:
    """Return how many lines this process has dropped so far because stdout was not read."""
    return LOG.writer.dropped if LOG.writer else 0


def lines_wait() -> bool:
    """Say whether lines of this process wait for a reader that is behind."""
    return LOG.writer is not None and LOG.writer.waiting


def block_until(over: Callable[[], bool]) -> None:
    """Set what ends the waiting of PODREADY_LOG_ON_STALL=block.

    `over` is asked ten times a second while a line waits, by the thread that waits, which may be
    the event loop's; once it returns true, lines are dropped as without that setting.
    """
    if LOG.writer:
        LOG.writer.gives_up = over


def end_blocking() -> None:
    """Wait for no reader from now on: this process has to end in time."""
    if LOG.writer:
        LOG.writer.block = False


def add_source(source: Source) -> None:
    """Ask `source` for fields with every line; it is cheap, and None means nothing to add.

    The runtime's own is the request under way: nothing is computed for a request that logs nothing.
    """
    LOG.sources.append(source)


def flush(seconds: float = FLUSH_SECONDS) -> None:
    """Wait up to `seconds` until every line is out; write to stderr what is lost then."""
    LOG.flush(seconds)


def limit_last_flush(seconds: float) -> None:
    """Let the flush at the end of this process take up to `seconds`."""
    atexit.unregister(LOG.flush)
    atexit.register(LOG.flush, seconds)
