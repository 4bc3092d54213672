"""The access line: whatever a client sends, one line of JSON, in order, none lost."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podready.runtime.logs.encoder import orjson_encoder
from podready.runtime.logs.formats.parts import ServedRequest
from podready.runtime.logs.intake.access_log import AccessLog
from podready.runtime.logs.log import Log
from podready.runtime.logs.options import LogOptions
from podready.runtime.logs.writing.writer import LogWriter
from podready.runtime.tracing.context import TraceContext

if TYPE_CHECKING:
    from tests.runtime.logs.conftest import Events


def test_an_access_line_carries_http_request(events: Events) -> None:
    """The fields of LogEntry.httpRequest."""
    (event,) = events(
        """
        served = ServedRequest("GET", "/a", 404, 17, 0.0125, "10.0.0.9", "curl", "HTTP/1.1")
        log_request(served, "r1")
        """
    )
    assert event["message"] == "GET /a 404"
    assert event["request_id"] == "r1"
    assert event["httpRequest"] == {
        "requestMethod": "GET",
        "requestUrl": "/a",
        "status": 404,
        "responseSize": "17",
        "latency": "0.012500s",
        "remoteIp": "10.0.0.9",
        "userAgent": "curl",
        "protocol": "HTTP/1.1",
    }


def test_what_the_app_has_bound_is_in_an_access_line_too(events: Events) -> None:
    """As in every other line, without its secrets."""
    (event,) = events(
        """
        logs.context.set({"tenant": "acme", "password": "hunter2"})
        log_request(ServedRequest("GET", "/", 200), "r1")
        """
    )
    assert (event["tenant"], event["password"]) == ("acme", "[redacted]")


def test_probes_that_pass_in_time_are_not_logged(events: Events) -> None:
    """By path and by user agent; a probe that fails or is slow is worth a line."""
    found = events(
        """
        log_request(ServedRequest("GET", "/healthz", 200))
        log_request(ServedRequest("GET", "/any", 200, user_agent="kube-probe/1.32"))
        log_request(ServedRequest("GET", "/healthz", 503))
        log_request(ServedRequest("GET", "/readyz", 200, seconds=1.5))
        """
    )
    assert [event["httpRequest"]["status"] for event in found] == [503, 200]


def test_the_trace_of_a_request_is_in_its_line(events: Events) -> None:
    """With a project, under Cloud Trace's name, too."""
    (event,) = events(
        """
        from podready.runtime.tracing.context import TraceContext
        log_request(ServedRequest("GET", "/", 200), "r1", TraceContext("a" * 32, "b" * 16, True))
        """,
        GOOGLE_CLOUD_PROJECT="shop",
    )
    assert (event["trace_id"], event["span_id"]) == ("a" * 32, "b" * 16)
    assert event["logging.googleapis.com/trace"] == f"projects/shop/traces/{'a' * 32}"
    assert event["logging.googleapis.com/trace_sampled"] is True


def test_lines_of_one_turn_keep_their_order_with_other_lines(events: Events) -> None:
    """An ordinary line flushes the access lines before it."""
    found = events(
        """
        import asyncio
        async def main():
            for number in range(3):
                log_request(ServedRequest("GET", f"/{number}", 200))
                log.info("after %d", number)
            log_request(ServedRequest("GET", "/last", 200))
        asyncio.run(main())
        """
    )
    words = ["GET /0 200", "after 0", "GET /1 200", "after 1", "GET /2 200", "after 2"]
    assert [event["message"] for event in found] == [*words, "GET /last 200"]


def test_lines_of_the_last_turn_are_out_when_the_process_ends(events: Events) -> None:
    """Also when nobody runs the loop again."""
    found = events(
        """
        import asyncio
        loop = asyncio.new_event_loop()
        def last_turn():
            for _ in range(100): log_request(ServedRequest("GET", "/", 200))
            loop.stop()
        loop.call_soon(last_turn)
        loop.run_forever()
        loop.close()
        """
    )
    assert len(found) == 100


def test_only_the_present_turn_is_lost_by_sigkill() -> None:
    """Lines of turns that are over are out, even to SIGKILL."""
    code = """
    import asyncio, os, signal
    from podready.runtime import logs
    from podready.runtime.logs.intake.access_log import log_request
    from podready.runtime.logs.formats.parts import ServedRequest
    logs.configure()
    async def main():
        for turn in range(10):
            for _ in range(10): log_request(ServedRequest("GET", "/", 200))
            await asyncio.sleep(0)
        log_request(ServedRequest("GET", "/lost", 200))
        os.kill(os.getpid(), signal.SIGKILL)
    asyncio.run(main())
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, check=False
    )
    assert len(ended.stdout.splitlines()) == 100  # few enough for the pipe, however late it is read


TEXT = st.text(st.characters(codec="latin-1"), max_size=50).filter(lambda text: "://" not in text)
HEX = st.text("0123456789abcdef", min_size=1, max_size=32)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    path=TEXT,
    agent=TEXT,
    client=TEXT,
    request_id=TEXT,
    trace=st.builds(TraceContext, HEX | TEXT, HEX, st.booleans()),
    project=st.sampled_from(["", "acme", 'a"b']),
)
def test_whatever_a_client_sends_its_line_has_it(
    path: str, agent: str, client: str, request_id: str, trace: TraceContext, project: str
) -> None:
    """Quotes, controls and letters of any kind come out as they came in."""
    log = Log()
    log.encoder = orjson_encoder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_CLOUD_PROJECT", project)
        log.choose(LogOptions())
    log.writer = writer = Lines()  # type: ignore[assignment]
    request = ServedRequest("GET", path, 200, 5, 1.5, client, agent, "HTTP/1.1")  # no probe
    for _ in range(2):  # the second time the names are known
        AccessLog(log).log_request(request, request_id, trace)
    first, read = map(json.loads, writer.lines)
    assert {**first, "time": ""} == {**read, "time": ""}
    known = {"remoteIp": client, "userAgent": agent}
    assert read["httpRequest"] == {
        "requestMethod": "GET",
        "requestUrl": path,
        "status": 200,
        "responseSize": "5",
        "latency": "1.500000s",
        "protocol": "HTTP/1.1",
        **{name: value for name, value in known.items() if value},
    }
    assert read.get("request_id", "") == request_id
    assert (read["trace_id"], read["trace_sampled"]) == (trace.trace_id, trace.sampled)
    named = read.get("logging.googleapis.com/trace")
    assert named == (f"projects/{project}/traces/{trace.trace_id}" if project else None)


class Lines:
    """A writer that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write_soon(self, line: bytes, _running_loop: object) -> None:
        """Keep a line."""
        self.lines.append(line)


def test_a_stalled_reader_keeps_neither_the_loop_nor_whole_lines(events: Events) -> None:
    """A turn's lines that meet a full pipe arrive later, each of them whole."""
    ours, theirs = os.pipe()
    code = """
    import asyncio
    from podready.runtime import logs
    from podready.runtime.logs.intake.access_log import log_request
    from podready.runtime.logs.formats.parts import ServedRequest
    logs.configure()
    async def main():
        for turn in range(100):
            for number in range(50): log_request(ServedRequest("GET", f"/{turn}/{number}", 200))
            await asyncio.sleep(0)
        open("/dev/stderr", "w").write("done")
    asyncio.run(main())
    logs.flush(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=theirs, stderr=subprocess.PIPE
    ) as process:
        os.close(theirs)
        assert process.stderr is not None
        assert process.stderr.read(4) == b"done"  # before anybody has read a line
        with os.fdopen(ours, "rb") as pipe:
            found = [json.loads(line)["httpRequest"]["requestUrl"] for line in pipe]
    assert found == [f"/{turn}/{number}" for turn in range(100) for number in range(50)]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """Give a log of format gcp that has a service's name."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    log = Log()
    log.encoder = orjson_encoder()
    log.choose(LogOptions())
    return log


@pytest.fixture
def pipe(log: Log) -> Iterator[int]:
    """The reading end of a pipe that the log writes to."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    log.writer = LogWriter(theirs, lambda lost: b"%d\n" % lost)
    yield ours
    log.writer.close()
    os.close(theirs)
    os.close(ours)


def test_an_access_line_works_without_a_loop(pipe: int, log: Log) -> None:
    """In a plain thread it is written at once."""
    AccessLog(log).log_request(ServedRequest("GET", "/", 200))
    labels = json.loads(os.read(pipe, 4096))["logging.googleapis.com/labels"]
    assert labels["service"] == "shop"


def _paths(pipe: int) -> list[str]:
    try:
        lines = os.read(pipe, 65536).splitlines()
    except BlockingIOError:
        return []
    return [json.loads(line)["httpRequest"]["requestUrl"] for line in lines]


def test_lines_of_a_turn_come_together_at_its_end(pipe: int, log: Log) -> None:
    """Nothing is written while the turn lasts, all of it right after, in every turn."""

    async def turns() -> list[list[str]]:
        seen = []
        for turn in range(3):
            AccessLog(log).log_request(ServedRequest("GET", f"/{turn}/a", 200))
            AccessLog(log).log_request(ServedRequest("GET", f"/{turn}/b", 200))
            seen.append(_paths(pipe))
            await asyncio.sleep(0)
            seen.append(_paths(pipe))
        return seen

    wanted: list[list[str]] = []
    for turn in range(3):
        wanted += [[], [f"/{turn}/a", f"/{turn}/b"]]
    assert asyncio.run(turns()) == wanted


def test_a_loop_that_ended_in_its_turn_takes_no_later_line_along(pipe: int, log: Log) -> None:
    """What it still held comes with the next line, also in the loop after it."""

    async def serve(path: str) -> None:
        AccessLog(log).log_request(ServedRequest("GET", path, 200))

    dead = asyncio.new_event_loop()
    dead.call_soon(dead.stop)
    dead.call_soon(AccessLog(log).log_request, ServedRequest("GET", "/1", 200))
    dead.run_forever()
    dead.close()
    writer = log.writer
    assert writer is not None
    writer.flush(0)
    asyncio.run(serve("/2"))
    assert _paths(pipe) == ["/1", "/2"]
