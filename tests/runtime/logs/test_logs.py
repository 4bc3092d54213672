"""Logs of a real process: every line of stdout is one JSON object, whatever said it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from podready.runtime.run_config import load_config
from podready.runtime.severity import level_of

PREAMBLE = """
import logging, sys
from podready.runtime import logs
from podready.runtime.logs.intake.access_log import log_request
from podready.runtime.logs.formats.parts import ServedRequest
logs.configure()
log = logging.getLogger("shop")
"""


def run(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a script after `logs.configure()` and return how it ended."""
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(code)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def events(code: str, **environ: str) -> list[dict[str, Any]]:
    """Return the log of a script; each line must be JSON and stderr empty."""
    ended = run(code, **environ)
    assert ended.stderr == ""
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_a_record_has_the_keys_that_collectors_read() -> None:
    """severity, message, RFC 3339 time in UTC, logger, then the extras."""
    (event,) = events("log.warning('paid %d', 3, extra={'order': 42})")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event.pop("time"))
    place = event.pop("logging.googleapis.com/sourceLocation")
    assert place == {"file": "<string>", "line": "8", "function": "<module>"}
    assert event == {"severity": "WARNING", "message": "paid 3", "logger": "shop", "order": 42}


def test_reserved_keys_of_extras_get_an_underscore() -> None:
    """The collector's keys stay ours; the user's value is not lost."""
    (event,) = events("log.info('x', extra={'severity': 1, 'time': 2, 'stack_trace': 3})")
    assert (event["severity"], event["severity_"], event["time_"]) == ("INFO", 1, 2)
    assert event["stack_trace_"] == 3


def test_an_exception_is_one_field_without_locals() -> None:
    """The whole chain in stack_trace, without carets and without the values of variables."""
    (event,) = events(
        """
        def fail():
            password = "hunter2"
            return {}[password[:0]]
        try:
            try:
                fail()
            except KeyError as error:
                raise ValueError("bad order") from error
        except ValueError:
            log.exception("failed")
        """
    )
    assert event["message"] == "failed"
    assert "The above exception was the direct cause" in event["stack_trace"]
    assert event["stack_trace"].endswith("ValueError: bad order")
    assert "hunter2" not in json.dumps(event)


def test_arguments_that_do_not_fit_cost_nobody_the_line() -> None:
    """`log.info("%d", "x")` is a bug in the app, not a reason to lose what it said."""
    (event,) = events("log.info('%d items', 'x')")
    assert event["message"] == "%d items (arguments do not fit: TypeError)"
    assert event["log_arguments"] == ["x"]


def test_everything_a_process_can_say_is_in_the_same_form() -> None:
    """Warnings, threads, asyncio tasks, finalizers, basicConfig and the crash at the end."""
    ended = run(
        """
        import asyncio, gc, threading, warnings
        warnings.warn("careful", DeprecationWarning)
        warnings.warn("careful", UserWarning)
        thread = threading.Thread(target=lambda: 1 / 0, name="worker-7")
        thread.start()
        thread.join()
        class Bad:
            def __del__(self): raise OSError("in del")
        Bad()
        async def main():
            task = asyncio.create_task(asyncio.sleep(0, 1 / 1))
            async def fail(): raise RuntimeError("in task")
            asyncio.get_running_loop().create_task(fail())
            await asyncio.sleep(0.01)
            gc.collect()
        asyncio.run(main())
        logging.basicConfig()
        log.error("again", stack_info=True)
        raise SystemError("the end")
        """,
        PYTHONWARNINGS="always",
    )
    assert ended.returncode == 1
    assert ended.stderr == ""
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    messages = [event["message"] for event in found]
    assert messages.count("careful") == 2
    assert "uncaught ZeroDivisionError in thread worker-7" in messages
    assert any("Bad.__del__" in event["message"] for event in found if "stack_trace" in event)
    assert "Task exception was never retrieved" in " ".join(messages)
    assert messages[-1] == "uncaught SystemError: the end"
    assert found[-1]["severity"] == "CRITICAL"
    assert "SystemError: the end" in found[-1]["stack_trace"]


@pytest.mark.slow
def test_handlers_of_servers_are_taken_down() -> None:
    """uvicorn's own handlers would write each line again, as text."""
    (event,) = events(
        """
        import logging.config, uvicorn.config
        logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
        logs.configure()
        logging.getLogger("uvicorn.access").info(
            '%s - "%s %s HTTP/%s" %d', "1.2.3.4:5", "GET", "/x?key=1", "1.1", 200)
        """
    )
    assert event["message"] == "GET /x 200"
    assert event["httpRequest"]["remoteIp"] == "1.2.3.4"


def test_levels_hold_for_records_events_and_access_lines() -> None:
    """PODREADY_LOG_LEVEL wins over the argument, in any case of letters."""
    found = events(
        """
        log.info("no")
        logs.log_event("INFO", "no")
        log_request(ServedRequest("GET", "/", 200))
        log.warning("yes")
        logs.log_event("ERROR", "yes", time=1)
        log_request(ServedRequest("GET", "/", 500))
        """,
        PODREADY_LOG_LEVEL="warning",
    )
    assert [event["severity"] for event in found] == ["WARNING", "ERROR", "ERROR"]
    assert found[1]["time_"] == 1


def test_fields_of_the_request_under_way_are_in_every_line() -> None:
    """What stands in `logs.context` is added unless the call says otherwise."""
    found = events(
        """
        logs.context.set({"request_id": "r1"})
        log.info("a")
        log.info("b", extra={"request_id": "own"})
        logs.log_event("INFO", "c")
        """
    )
    assert [event["request_id"] for event in found] == ["r1", "own", "r1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argument", "what"),
    [
        ("format='xml'", "'xml' is not a log format: use auto, gcp, otel, ecs"),
        ("level='loud'", "'loud' is not a log level: use DEBUG, INFO"),
    ],
)
def test_a_format_or_level_that_does_not_exist_is_a_value_error(argument: str, what: str) -> None:
    """The sentence names what there is."""
    ended = run(f"logs.configure({argument})")
    (event,) = (json.loads(line) for line in ended.stdout.splitlines())
    assert event["message"].startswith(f"uncaught ValueError: {what}")
    assert ended.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value", "what"),
    [
        ("FORMAT", "xml", "'xml' is not one of auto, gcp, otel, ecs, datadog, console, plain"),
        ("LEVEL", "loud", "'loud' is not a level: one of debug, info, notice, warning"),
        ("LEVELS", "shop=loud", "'shop=loud' is not NAME=LEVEL: 'loud' is none of the levels"),
        ("LEVELS", "shop", "'shop' is not NAME=LEVEL, separated by commas"),
        ("ON_STALL", "wait", "'wait' is not one of drop, block"),
        ("MAX_LINE", "10", "'10' is not a size of 1024 bytes or more"),
        ("SAMPLE", "1", "'1' is not off, or FIRST/THEREAFTER such as 100/100"),
        ("CAPTURE_STDOUT", "maybe", "'maybe' is not a boolean: use true or false"),
    ],
)
def test_a_variable_that_cannot_be_used_ends_the_process_with_one_sentence(
    variable: str, value: str, what: str
) -> None:
    """The same sentence and exit code as under `podready run`, and no traceback."""
    ended = run("print('not reached')", **{f"PODREADY_LOG_{variable}": value})
    assert ended.stderr.startswith("podready's logs cannot use these settings:\n")
    assert f"PODREADY_LOG_{variable}: {what}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (ended.returncode, ended.stdout) == (78, "")


@pytest.mark.parametrize("level", ["WARN", "critical", "notice", "15"])
def test_both_ways_in_know_the_same_levels(level: str) -> None:
    """What `logs.configure` takes, `podready run` takes too."""
    assert load_config(["main:app"], {"PODREADY_LOG_LEVEL": level}).logs().level == level_of(level)


def test_root_is_the_root_in_the_table_of_levels() -> None:
    """As in PUT /loggers/root."""
    levels = (
        load_config(["main:app"], {"PODREADY_LOG_LEVELS": "root=debug,shop=error"}).logs().levels
    )
    assert levels == {"": 10, "shop": 40}


def test_a_line_of_a_process_that_configured_nothing_never_raises() -> None:
    """A bad variable is for whatever configures; a log line in a library still comes out."""
    code = "from podready.runtime.logs import log_event; log_event('INFO', 'hello')"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"PODREADY_LOG_SAMPLE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(ended.stdout)["message"] == "hello"


def test_console_lines_are_plain_when_nobody_sees_colours() -> None:
    """One readable line an event, the stack trace below, control characters spelt out."""
    ended = run(
        """
        log.info("hi\\x1b[31m", extra={"order": 42, "who": "a b"})
        try: 1 / 0
        except Exception: log.exception("boom")
        """,
        PODREADY_LOG_FORMAT="console",
    )
    first, second, *trace = ended.stdout.splitlines()
    assert re.fullmatch(r'..:..:..\.... INFO     shop  hi\\x1b\[31m order=42 who="a b"', first)
    assert second.endswith("ERROR    shop  boom")
    assert trace[-1] == "ZeroDivisionError: division by zero"
    assert "\x1b" not in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_readable_lines_with_colours_unless_told_not_to(
    no_color: str, coloured: bool
) -> None:
    """`auto` means console at a terminal; NO_COLOR is honoured."""
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", PREAMBLE + "log.error('boom')"],
            env={"NO_COLOR": no_color, "TERM": "xterm"},
            stdout=theirs,
            timeout=60,
            check=True,
        )
        shown = os.read(ours, 4096).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "shop  boom" in shown
    assert ("\x1b[31mERROR" in shown) is coloured


@pytest.mark.slow
@pytest.mark.parametrize("name", ["asyncio", "ssl", "logging", "orjson", "traceback"])
def test_the_first_process_speaks_without_heavy_imports(name: str) -> None:
    """PID 1 logs through log_event and imports none of these."""
    code = (
        "import sys\nfrom podready.runtime import logs\n"
        f"logs.log_event('NOTICE', 'up', pid=1)\nsys.exit({name!r} in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["severity"] == "NOTICE"


@pytest.mark.slow
def test_warnings_and_crashes_are_shown_at_their_own_place() -> None:
    """sourceLocation is where the app warned or failed, not where podready noticed."""
    found = events(
        """
        import threading, warnings
        def careless():
            warnings.warn("careful")
        def failing():
            raise KeyError("k")
        careless()
        thread = threading.Thread(target=failing)
        thread.start(); thread.join()
        failing()
        """
    )
    places = [event["logging.googleapis.com/sourceLocation"] for event in found]
    assert {place["file"] for place in places} == {"<string>"}
    assert [place["function"] for place in places] == ["", "failing", "failing"]
    assert [place["line"] for place in places] == ["11", "13", "13"]
    assert [event["logger"] for event in found] == [
        "py.warnings",
        "podready.crash",
        "podready.crash",
    ]
