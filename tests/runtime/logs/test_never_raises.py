"""A log call raises no `Exception` into the app, whatever it is given; Ctrl-C goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from .conftest import PREAMBLE

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from .conftest import Events

BAD = """
class Bad:
    def __init__(self, kind): self.kind = kind
    def __str__(self): raise self.kind("from a value")
    __repr__ = __str__
KINDS = (ValueError, TypeError, LookupError, RecursionError, MemoryError)
"""


@pytest.mark.parametrize("sample", ["off", "5/10"])
@pytest.mark.parametrize("format_", ["gcp", "ecs", "plain"])
def test_values_that_raise_when_they_are_looked_at(
    events: Events, sample: str, format_: str
) -> None:
    """As message, argument, field and exception."""
    code = (
        BAD
        + """
class Failed(Exception):
    def __init__(self, kind): self.kind = kind
    def __str__(self): raise self.kind("from an exception")
for kind in KINDS:
    log.info(Bad(kind))
    log.error(Bad(kind))
    log.info("argument %s", Bad(kind))
    log.info("field", extra={"x": Bad(kind), "y": {"z": [Bad(kind)]}})
    try: raise Failed(kind)
    except Failed: log.exception("failed")
    logs.log_event("INFO", "event", x=Bad(kind))
log.info("end")
"""
    )
    if format_ == "plain":
        ended = subprocess.run(
            [sys.executable, "-c", PREAMBLE + code],
            env={"PODREADY_LOG_SAMPLE": sample, "PODREADY_LOG_FORMAT": format_},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert (ended.stderr, ended.stdout.splitlines()[-1][-3:]) == ("", "end")
        return
    found = events(code, PODREADY_LOG_SAMPLE=sample, PODREADY_LOG_FORMAT=format_)
    assert found[-1]["message"] == "end"
    if sample == "off":
        assert len(found) == 5 * 6 + 1


def test_records_that_are_not_what_they_should_be(events: Events) -> None:
    """Those of sockets and queues: each becomes a line with its message."""
    found = events(
        """
        class Liar:
            @property
            def __class__(self): raise RuntimeError("no class")
        strange = [
            {"created": None}, {"created": float("nan")}, {"created": float("inf")},
            {"created": 1e20}, {"created": "x"}, {"levelno": None}, {"levelno": "INFO"},
            {"levelno": 20.5}, {"levelno": float("nan")}, {"levelno": 10**400},
            {"exc_info": (1,)}, {"exc_info": ()}, {"exc_info": 7}, {"exc_info": Liar()},
            {"name": None}, {"name": 5}, {"pathname": Liar(), "levelno": 40}, {"x": Liar()},
            {"args": 5, "msg": "told"}, {"stack_info": 5}, {"exc_text": 5},
        ]
        handler = logging.getLogger().handlers[0]
        for each in strange:
            handler.handle(logging.makeLogRecord({"msg": "told", "name": "n", **each}))
        log.info("%d", len(strange))
        """
    )
    assert len(found) == int(found[-1]["message"]) + 1
    assert all(event["message"].startswith("told") for event in found[:-1])
    assert all(event["time"][:2] == "20" for event in found)


def test_a_dictionary_that_another_thread_changes(events: Events) -> None:
    """Caches and registries are logged while they live."""
    found = events(
        """
        import threading
        sys.setswitchinterval(1e-5)
        shared = {f"k{n}": {"n": n, "deep": [n]} for n in range(300)}
        over = threading.Event()
        def change():
            while not over.is_set():
                for n in range(300, 400): shared[f"k{n}"] = {"n": n}
                for n in range(300, 400): del shared[f"k{n}"]
        thread = threading.Thread(target=change)
        thread.start()
        try:
            for _ in range(2000):
                log.info("stats", extra={"shared": shared})
        finally:
            over.set()
            thread.join()
        """,
        PODREADY_LOG_ON_STALL="block",
    )
    assert len(found) == 2000
    assert {event["message"] for event in found} == {"stats"}


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        ("signal.default_int_handler", "KeyboardInterrupt"),
        ("lambda *_: sys.exit(3)", "SystemExit"),
        ("Stop().handle", "SystemExit"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        "log.info('x', extra={'value': value})",
        "log.info('x %s', value)",
        "log.info(value)",
        "log.info('x', extra={'value': {1: [value]}})",
        "logs.log_event('INFO', 'x', value=value)",
        "log.error('x', extra={'value': value, 'big': 2**200})",
    ],
)
def test_what_a_signal_handler_raises_goes_its_way(call: str, handler: str, error: str) -> None:
    """Ctrl-C while a line is made is not lost with it, nor a sys.exit of SIGTERM's handler."""
    code = f"""
    import os, signal
    class Stop:
        def handle(self, number, frame): sys.exit(3)
    class Slow:
        def __str__(self):
            os.kill(os.getpid(), signal.SIGINT)
            return "slow"
    value = Slow()
    signal.signal(signal.SIGINT, {handler})
    try:
        {call}
    except BaseException as error:
        print(type(error).__name__, file=sys.stderr)
    """
    ended = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(code)],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stderr.strip() == error


def test_what_an_app_handles_while_it_logs_is_not_raised_again(events: Events) -> None:
    """A line about Ctrl-C, with a value that fails: the signal has been dealt with."""
    found = events(
        BAD
        + """
import os, signal
class Wrapped:
    def __str__(self): raise ValueError("no text") from handled
signal.signal(signal.SIGUSR2, lambda *_: sys.exit(3))
for number in (signal.SIGINT, signal.SIGUSR2):
    try:
        os.kill(os.getpid(), number)
    except BaseException as error:
        handled = error
        for kind in KINDS:
            log.info("bye", extra={"x": Bad(kind), "y": 2**200, "z": Wrapped()})
            log.exception("bye %s", Bad(kind))
"""
    )
    assert len(found) == 20


def test_fronts_raise_nothing_either(events: Events) -> None:
    """structlog and loguru, with what they are given and what their own parts do."""
    pytest.importorskip("structlog")
    pytest.importorskip("loguru")
    found = events(
        BAD
        + """
import structlog
from loguru import logger
from podready.logs.loguru import use_loguru
from podready.logs.structlog import use_structlog
use_structlog(); use_loguru()
shop = structlog.get_logger("shop")
for kind in KINDS:
    shop.info(Bad(kind))
    shop.info("x", value=Bad(kind))
    shop.info("x %s", Bad(kind))
    shop.error("x", exc_info=Bad(kind))
    logger.bind(value=Bad(kind)).info("x")
print("end")
""",
        PODREADY_LOG_SAMPLE="100/100",
    )
    assert len(found) == 5 * 5 + 1


def test_a_filter_that_fails_hides_nothing(events: Events) -> None:
    """Filters of a handler whose place ours took run in ours."""
    found = events(
        """
        handler = logging.StreamHandler()
        handler.addFilter(lambda record: 1 / 0)
        logging.getLogger("f").addHandler(handler)
        logging.getLogger("f").propagate = False
        logs.replace_handlers()
        logging.getLogger("f").warning("told")
        """
    )
    assert json.dumps([event["message"] for event in found]) == '["told"]'
