"""structlog and loguru: their own calls, podready's lines."""

from __future__ import annotations

import pytest
from tests.runtime.logs.conftest import Events

pytestmark = pytest.mark.slow

pytest.importorskip("structlog", reason="the structlog front needs podready[structlog]")
pytest.importorskip("loguru", reason="the loguru front needs loguru")

STRUCTLOG = """
import structlog
from podready.logs.structlog import use_structlog
use_structlog()
shop = structlog.get_logger("shop")
"""
LOGURU = """
from loguru import logger
from podready.logs.loguru import use_loguru
use_loguru()
"""


def test_structlog_lines_are_podreadys(events: Events) -> None:
    """Message, fields, bound context, positional arguments, redaction, reserved names."""
    first, second, third = events(
        STRUCTLOG
        + """
shop.info("paid", order=42, password="hunter2")
shop.bind(user="ada").bind(order=1).warning("low %d", 3, order=2)
shop.info(None, message="mine")
"""
    )
    assert (first["severity"], first["message"], first["logger"]) == ("INFO", "paid", "shop")
    assert (first["order"], first["password"]) == (42, "[redacted]")
    assert (second["message"], second["user"], second["order"]) == ("low 3", "ada", 2)
    place = second["logging.googleapis.com/sourceLocation"]
    assert (place["file"], place["function"]) == ("<string>", "<module>")
    assert third["message_"] == "mine"


def test_structlog_exceptions_are_one_field(events: Events) -> None:
    """exception(), exc_info in its three forms, also from the asynchronous methods."""
    found = events(
        STRUCTLOG
        + """
import asyncio
async def main(): await shop.aexception("four")
try: 1 / 0
except ZeroDivisionError as error:
    shop.exception("one")
    shop.info("two", exc_info=error)
    shop.error("three", exc_info=sys.exc_info())
    asyncio.run(main())
shop.error("none", exc_info=None)
shop.info("stack", stack_info=True)
"""
    )
    *failed, none, stack = found
    assert [event["message"] for event in failed] == ["one", "two", "three", "four"]
    assert all(event["stack_trace"].endswith("division by zero") for event in failed)
    assert "stack_trace" not in none
    assert stack["stack_trace"].startswith("Stack (most recent call last)")


def test_structlog_levels_change_under_cached_loggers(events: Events) -> None:
    """What structlog's own filtering logger freezes at first use."""
    found = events(
        STRUCTLOG
        + """
from podready.runtime.logs.log import LOG
pay = structlog.get_logger("shop.pay").bind()
pay.debug("no")
LOG.levels.override({"shop": 10})
pay.debug("yes")
structlog.get_logger("other").debug("no")
LOG.levels.override({})
pay.debug("no")
pay.log("notice", "notice")
"""
    )
    assert [event["message"] for event in found] == ["yes", "notice"]


def test_structlog_context_and_names(events: Events) -> None:
    """bind_contextvars is heard by every front; a logger without a name is the module's."""
    found = events(
        STRUCTLOG
        + """
structlog.contextvars.bind_contextvars(tenant="acme")
structlog.get_logger().info("a")
log.info("b")
with structlog.contextvars.bound_contextvars(tenant="other"):
    shop.info("c")
structlog.contextvars.clear_contextvars()
shop.info("d")
"""
    )
    assert [event.get("tenant") for event in found] == ["acme", "acme", "other", None]
    assert found[0]["logger"] == "__main__"


def test_structlog_processors_of_the_app_run_first(events: Events) -> None:
    """They may add, drop and fail; what levels and stampers add is ours already."""
    found = events(
        """
        import structlog
        from podready.logs.structlog import use_structlog
        def mine(logger, method, event):
            if event["event"] == "drop": raise structlog.DropEvent
            if event["event"] == "fail": 1 / 0
            return {**event, "method": method, "event": event["event"].upper()}
        use_structlog(mine, structlog.processors.add_log_level,
                      structlog.processors.TimeStamper(fmt="iso"))
        shop = structlog.get_logger("shop")
        for word in ("paid", "drop", "fail"): shop.warning(word, order=1)
        """
    )
    assert [event["message"] for event in found] == ["PAID", "fail"]
    assert found[0]["method"] == "warning"
    assert not {"level", "timestamp"} & set(found[0])
    assert found[1]["log_error"] == "a processor raised ZeroDivisionError"


def test_loguru_lines_are_podreadys(events: Events) -> None:
    """Levels, bound and contextual extras, exceptions, and levels by name."""
    found = events(
        LOGURU
        + """
from podready.runtime.logs.log import LOG
logger.info("paid {}", 3, order=42)
logger.bind(token="hunter2").success("yes")
with logger.contextualize(user="ada"): logger.warning("careful")
try: 1 / 0
except ZeroDivisionError: logger.exception("boom")
logger.debug("no")
LOG.levels.override({"__main__": 10})
logger.trace("no")
logger.debug("now")
"""
    )
    words = ["paid 3", "yes", "careful", "boom", "now"]
    assert [event["message"] for event in found] == words
    severities = [event["severity"] for event in found]
    assert severities == ["INFO", "NOTICE", "WARNING", "ERROR", "DEBUG"]
    assert (found[0]["order"], found[1]["token"], found[2]["user"]) == (42, "[redacted]", "ada")
    assert found[3]["stack_trace"].endswith("ZeroDivisionError: division by zero")
    assert found[3]["logging.googleapis.com/sourceLocation"]["function"] == "<module>"
    assert {event["logger"] for event in found} == {"__main__"}


def test_both_fronts_are_sampled_like_the_rest(events: Events) -> None:
    """By the template where there is one."""
    code = STRUCTLOG + LOGURU
    found = events(
        code + 'for n in range(60): shop.info("hi", n=n); logger.info("ho")',
        PODREADY_LOG_SAMPLE="10/50",
    )
    assert 20 <= len(found) < 120


def test_structlog_arguments_by_name(events: Events) -> None:
    """As its own filtering logger has it; what does not fit is shown."""
    named, unnamed, unfit, hidden = events(
        STRUCTLOG
        + """
shop.info("user %(a)s", {"a": 1})
shop.info("user %s", {"a": 1})
shop.info("user %d %d", "ada")
shop.info("user %(b)s", {"password": "hunter2"})
"""
    )
    assert named["message"] == "user 1"
    assert unnamed["message"] == "user {'a': 1}"
    assert unfit["message"] == "user %d %d (arguments do not fit: TypeError)"
    assert unfit["log_arguments"] == ["ada"]
    assert hidden["log_arguments"] == {"password": "[redacted]"}


def test_loguru_is_sampled_by_the_line_of_code(events: Events) -> None:
    """Its record has no template, only the text that differs each time."""
    found = events(
        LOGURU
        + """
for n in range(100): logger.info("paid {}", n)
logger.info("done")
""",
        PODREADY_LOG_SAMPLE="5/50",
    )
    assert len(found) <= 6 + 6 + 1  # the second may turn over in between
    assert found[-1]["message"] == "done"


def test_a_stack_beside_an_exception_is_kept(events: Events) -> None:
    """Both in one field, the exception first."""
    found = events(
        STRUCTLOG
        + """
try: 1 / 0
except ZeroDivisionError:
    shop.exception("boom", stack_info=True)
    log.exception("boom", stack_info=True)
"""
    )
    for event in found:
        failed, _, stack = event["stack_trace"].partition("division by zero\n")
        assert failed.startswith("Traceback")
        assert stack.startswith("Stack (most recent call last)")


def test_every_method_of_structlogs_own_bound_logger_is_there(events: Events) -> None:
    """A call that works with structlog's filtering logger works here, awaited ones too."""
    found = events(
        STRUCTLOG
        + """
import asyncio, logging
theirs = structlog.make_filtering_bound_logger(logging.INFO)
ours = type(shop.bind())
public = [name for name in dir(theirs) if not name.startswith("_")]
log.info("missing", extra={"names": [name for name in public if not hasattr(ours, name)]})
async def main():
    bound = shop.bind(user="ada")
    for name in ("ainfo", "awarning", "aerror", "acritical"):
        await getattr(bound, name)("paid %d", 1, order=2)
    await bound.alog("info", "x")
    await bound.adebug("no")
asyncio.run(main())
"""
    )
    missing, *written = found
    assert missing["names"] == []
    severities = [event["severity"] for event in written]
    assert severities == ["INFO", "WARNING", "ERROR", "CRITICAL", "INFO"]
    assert {event["message"] for event in written[:4]} == {"paid 1"}
