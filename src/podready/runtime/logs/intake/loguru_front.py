"""loguru's lines through podready's writer: a sink, so that `from loguru import logger` stays.

from podready.logs.loguru import use_loguru
use_loguru()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.formats.shape import Details, Source
from podready.runtime.logs.levels import LEVELS
from podready.runtime.logs.output import OUTPUT

if TYPE_CHECKING:
    from loguru import Message, Record

_WARNING: Final = 30


def use_loguru() -> None:
    """Replace loguru's handlers by one that writes podready's lines; call it once at start."""
    from loguru import logger

    logger.remove()
    ours: list[int] = []

    def follow_levels() -> None:
        while ours:
            try:
                logger.remove(ours.pop())
            except ValueError:  # the app has removed it: it wants lines of its own
                return
        ours.append(logger.add(_nothing, level=LEVELS.lowest(), filter=_write))

    LEVELS.watch(follow_levels)


def _write(record: Record) -> bool:
    """Write the line where loguru only asks whether to: afterwards it would format a traceback.

    That costs 600 us an exception, and the text would be thrown away.
    """
    if record["level"].no >= LEVELS.gate(record["name"] or "").level:
        log_record(record)
    return False


def _nothing(_message: Message) -> None:
    """Stand where loguru wants a sink; nothing gets past the filter."""


def sink(message: Message) -> None:
    """Write one of loguru's messages: for those who keep other handlers, `logger.add(sink)`."""
    log_record(message.record)


def log_record(record: Record) -> None:
    """Write one of loguru's records; never raises."""
    try:
        _hand_on(record)
    except BaseException as error:  # noqa: BLE001 - an app must never fail because it logged
        OUTPUT.last_resort(error, record["level"].no, record["message"], record["name"] or "")


def _hand_on(record: Record) -> None:
    level = record["level"].no
    name = record["name"] or ""
    fields: dict[str, Any] = {**record["extra"]}
    if OUTPUT.sampler is not None:
        # The template is not in the record, the line of code is.
        place = f"{record['function']}:{record['line']}"
        suppressed = OUTPUT.sampler.passes(level, name, place)
        if suppressed < 0:
            return
        if suppressed:
            fields["suppressed"] = suppressed
    error = record["exception"].value if record["exception"] is not None else None
    source = None
    if level >= _WARNING:
        source = Source(record["file"].path, record["line"], record["function"])
    more = Details(source, error) if source or error else None
    OUTPUT.emit(level, record["message"], name, record["time"].timestamp(), fields, more)
