"""loguru's lines through podready's writer: a sink, so that `from loguru import logger` stays.

from podready.logs.loguru import use_loguru
use_loguru()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.formats.parts import Details, SourceLocation
from podready.runtime.logs.log import LOG

if TYPE_CHECKING:
    from loguru import Message, Record

_WARNING: Final = 30


def use_loguru() -> None:
    """Replace loguru's handlers by one that writes podready's lines; call it once at start."""
    from loguru import logger

    logger.remove()
    handlers: list[int] = []

    def follow_levels() -> None:
        while handlers:
            try:
                logger.remove(handlers.pop())
            except ValueError:  # the app has removed it: it wants lines of its own
                return
        handlers.append(logger.add(_nothing, level=LOG.levels.lowest(), filter=_write))

    LOG.levels.watch(follow_levels)


def _write(record: Record) -> bool:
    """Write the line in the filter: after it loguru would format a traceback.

    That costs 600 us an exception, and the text would be thrown away.
    """
    if record["level"].no >= LOG.levels.filter(record["name"] or "").level:
        log_record(record)
    return False


def _nothing(_message: Message) -> None:
    """Do nothing: loguru demands a sink, and the filter lets no line pass."""


def sink(message: Message) -> None:
    """Write one of loguru's messages: for those who keep other handlers, `logger.add(sink)`."""
    log_record(message.record)


def log_record(record: Record) -> None:
    """Write one of loguru's records; never raises."""
    try:
        _emit(record)
    except Exception as error:  # noqa: BLE001 - an app must never fail because it logged
        LOG.last_resort(error, record["level"].no, record["message"], record["name"] or "")


def _emit(record: Record) -> None:
    level = record["level"].no
    name = record["name"] or ""
    fields: dict[str, Any] = {**record["extra"]}
    if LOG.sampler is not None:
        # The template is not in the record, the line of code is.
        place = f"{record['function']}:{record['line']}"
        if not LOG.sampler.admits(level, name, place, fields):
            return
    error = record["exception"].value if record["exception"] is not None else None
    location = None
    if level >= _WARNING:
        location = SourceLocation(record["file"].path, record["line"], record["function"])
    more = Details(location, error) if location or error else None
    LOG.emit(level, record["message"], name, record["time"].timestamp(), fields, more)
