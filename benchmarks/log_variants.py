"""One way to log, measured in a process of its own: `python -m benchmarks.log_variants NAME`.

stdout is the log; the numbers (median CPU microseconds of this thread for one call) go to stderr.
A pipe is empty when a batch of calls begins, and large enough for all of it: with `--flood` it is
neither, and the numbers are those of a burst that its reader cannot follow.
"""

from __future__ import annotations

import array
import fcntl
import json
import logging
import os
import stat
import sys
import termios
import time
import traceback
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import Processor

BATCHES, CALLS = 41, 100
BURST = 10_000
"""Lines of a flood: less than podready's backlog holds, so that none has to be dropped."""

FIELDS: dict[str, Any] = {
    "order": 42,
    "user": "ada",
    "amount": 12.5,
    "currency": "EUR",
    "paid": True,
    "items": [1, 2, 3, 4],
    "address": {"street": "Main Street", "number": 7},
    "session": "b6a1f0c2d3e4",
    "attempt": 3,
    "comment": None,
}
"""Ten fields of mixed types, as in zap's benchmark."""

Calls = dict[str, "Callable[[], object]"]


def fail(depth: int = 6) -> None:
    """Raise from a stack of seven frames."""
    if depth:
        fail(depth - 1)
    else:
        raise ValueError("no such order")


def floor() -> Calls:
    """Return the least that Python can do: a dict, orjson, one write."""
    from datetime import UTC, datetime

    import orjson

    def log(message: str, **fields: Any) -> None:
        event = {"severity": "INFO", "message": message, "time": datetime.now(UTC), **fields}
        os.write(1, orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))

    context = FIELDS.copy()

    def log_bound(message: str) -> None:
        event = {"severity": "INFO", "message": message, "time": datetime.now(UTC), **context}
        os.write(1, orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))

    return {
        "fields": lambda: log("paid", **FIELDS),
        "bound": lambda: log_bound("paid"),
        "static": lambda: log("paid"),
    }


def with_stdlib(logger: logging.Logger) -> Calls:
    """Return the calls of a standard library logger."""
    bound = logging.LoggerAdapter(logger, FIELDS)
    return {
        "fields": lambda: logger.info("paid", extra=FIELDS),
        "bound": lambda: bound.info("paid"),
        "static": lambda: logger.info("paid"),
        "disabled": lambda: logger.debug("paid"),
        "exception": lambda: raising(lambda: logger.exception("failed")),
    }


def with_structlog(logger: Any) -> Calls:
    """Return the calls of a structlog logger."""
    bound = logger.bind(**FIELDS)
    return {
        "fields": lambda: logger.info("paid", **FIELDS),
        "bound": lambda: bound.info("paid"),
        "static": lambda: logger.info("paid"),
        "disabled": lambda: logger.debug("paid"),
        "exception": lambda: raising(lambda: logger.exception("failed")),
    }


def raising(log: Callable[[], object]) -> None:
    """Log while an exception of seven frames is being handled."""
    try:
        fail()
    except ValueError:
        log()


def podready_stdlib() -> Calls:
    """Return the standard library through podready."""
    from podready import logs

    logs.configure("gcp")
    return with_stdlib(logging.getLogger("shop"))


def podready_structlog() -> Calls:
    """Return structlog through podready."""
    import structlog

    from podready import logs
    from podready.logs.structlog import use_structlog

    logs.configure("gcp")
    use_structlog()
    return with_structlog(structlog.get_logger("shop").bind())


def podready_loguru() -> Calls:
    """Return loguru through podready."""
    from loguru import logger

    from podready import logs
    from podready.logs.loguru import use_loguru

    logs.configure("gcp")
    use_loguru()
    return with_loguru(logger)


def with_loguru(logger: Any) -> Calls:
    """Return the calls of loguru's logger."""
    bound = logger.bind(**FIELDS)
    return {
        "fields": lambda: logger.bind(**FIELDS).info("paid"),
        "bound": lambda: bound.info("paid"),
        "static": lambda: logger.info("paid"),
        "disabled": lambda: logger.trace("paid"),
        "exception": lambda: raising(lambda: logger.exception("failed")),
    }


def structlog_recipe() -> Calls:
    """Return structlog's documented production set-up, with orjson and bytes."""
    import orjson
    import structlog

    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(),
    )
    return with_structlog(structlog.get_logger().bind())


def structlog_over_stdlib() -> Calls:
    """Return structlog through the standard library's ProcessorFormatter, the usual recipe."""
    import structlog

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=renderer)
    root(formatter)
    return with_structlog(structlog.get_logger("shop").bind())


def root(formatter: logging.Formatter | None) -> None:
    """Put one handler on the root logger."""
    handler = logging.StreamHandler(sys.stdout)
    if formatter is not None:
        handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def python_json_logger() -> Calls:
    """Return python-json-logger as its documentation begins."""
    from pythonjsonlogger.json import JsonFormatter

    root(JsonFormatter("{asctime}{levelname}{name}{message}{exc_info}", style="{"))
    return with_stdlib(logging.getLogger("shop"))


def python_json_logger_orjson() -> Calls:
    """Return python-json-logger with orjson."""
    from pythonjsonlogger.orjson import OrjsonFormatter

    root(OrjsonFormatter("{asctime}{levelname}{name}{message}{exc_info}", style="{"))
    return with_stdlib(logging.getLogger("shop"))


def stdlib_text() -> Calls:
    """Return the standard library's own text."""
    root(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    return with_stdlib(logging.getLogger("shop"))


def loguru_serialize() -> Calls:
    """Return loguru's own JSON."""
    from loguru import logger

    logger.remove()
    logger.add(sys.stdout, serialize=True, level="INFO", diagnose=False)
    return with_loguru(logger)


def format_exception() -> Calls:
    """Return what Python takes for the text of an exception alone."""

    def text() -> None:
        error = sys.exc_info()[1]
        assert error is not None
        "".join(traceback.format_exception(error))

    return {"exception": lambda: raising(text)}


VARIANTS = {
    "floor: orjson + os.write": floor,
    "podready, structlog": podready_structlog,
    "podready, stdlib logging": podready_stdlib,
    "podready, loguru": podready_loguru,
    "structlog, documented recipe (orjson)": structlog_recipe,
    "structlog over stdlib": structlog_over_stdlib,
    "stdlib logging, text": stdlib_text,
    "python-json-logger, orjson": python_json_logger_orjson,
    "python-json-logger": python_json_logger,
    "loguru, serialize": loguru_serialize,
    "traceback.format_exception alone": format_exception,
}


def microseconds(call: Callable[[], object], calls: int) -> float:
    """Return the median CPU time of one call over all batches."""
    for _ in range(calls):
        call()
    spent = []
    for _ in range(BATCHES):
        until_read()
        begin = time.thread_time_ns()
        for _ in range(calls):
            call()
        spent.append((time.thread_time_ns() - begin) / calls / 1000)
    return median(spent)


def until_read() -> None:
    """Wait until the reader of a pipe has emptied it."""
    if not stat.S_ISFIFO(os.fstat(1).st_mode):
        return
    waiting = array.array("i", [1])
    while fcntl.ioctl(1, termios.FIONREAD, waiting) == 0 and waiting[0]:
        time.sleep(0.0005)


def each(calls: Calls) -> dict[str, float]:
    """Measure every call by itself."""
    found = {
        name: microseconds(call, 5000 if name == "disabled" else CALLS)
        for name, call in calls.items()
    }
    empty = microseconds(lambda: None, 5000)
    raised = microseconds(lambda: raising(lambda: None), CALLS)
    if "disabled" in found:
        found["disabled"] -= empty
    if "exception" in found:
        found["exception"] -= raised
    return found


def flood(calls: Calls) -> dict[str, float]:
    """Measure a burst: CPU of all threads, time that the caller is held up, the longest call."""
    if "fields" not in calls:
        return {}
    call, longest = calls["fields"], 0
    for _ in range(CALLS):
        call()
    cpu, begin = time.process_time_ns(), time.perf_counter_ns()
    now = begin
    for _ in range(BURST):
        before = now
        call()
        now = time.perf_counter_ns()
        longest = max(longest, now - before)
    spent = time.process_time_ns() - cpu
    return {
        "cpu": spent / BURST / 1000,
        "held up": (now - begin) / BURST / 1000,
        "longest": longest / 1e6,
    }


def main() -> None:
    """Measure the calls of one variant."""
    calls = VARIANTS[sys.argv[1]]()
    found = flood(calls) if "--flood" in sys.argv else each(calls)
    sys.stderr.write(json.dumps(found))


if __name__ == "__main__":
    main()
