"""loguru's lines through podready's writer: a sink, so that `from loguru import logger` stays.

from podready.runtime.logs.loguru_front import use_loguru
use_loguru()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.levels import LEVELS
from podready.runtime.logs.output import OUTPUT
from podready.runtime.logs.shape import Details, Source

if TYPE_CHECKING:
    from loguru import Message, Record

_WARNING: Final = 30


def use_loguru() -> None:
    """Replace loguru's handlers by one that writes podready's lines; call it once at start."""
    from loguru import logger

    logger.configure(handlers=[{"sink": sink, "level": 0, "format": _message, "filter": _passes}])


def sink(message: Message) -> None:
    """Write one of loguru's messages; for `logger.add(sink, level=0, format="{message}")`."""
    record = message.record
    level = record["level"].no
    name = record["name"] or ""
    fields: dict[str, Any] = {**record["extra"]}
    if OUTPUT.sampler is not None:
        suppressed = OUTPUT.sampler.passes(level, name, record["message"])
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


def _message(_record: Record) -> str:
    """Format nothing: the sink takes the record itself, and a traceback would cost 100 us."""
    return ""


def _passes(record: Record) -> bool:
    return record["level"].no >= LEVELS.gate(record["name"] or "").level
