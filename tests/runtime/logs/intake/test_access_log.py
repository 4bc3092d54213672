"""The access line: whatever a client sends, one line of JSON, in order, none lost."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podready.runtime.logs.encoder import encode
from podready.runtime.logs.formats import gcp
from podready.runtime.logs.formats.service import Service
from podready.runtime.logs.formats.shape import Details, Request
from podready.runtime.logs.intake import access_log
from podready.runtime.logs.output import Output
from podready.runtime.logs.writing.writer import LogWriter
from podready.runtime.tracing.context import TraceContext

if TYPE_CHECKING:
    from tests.runtime.logs.conftest import Events


def test_an_access_line_carries_http_request(events: Events) -> None:
    """The fields of LogEntry.httpRequest."""
    (event,) = events(
        """
        log_request(Request("GET", "/a", 404, 17, 0.0125, "10.0.0.9", "curl", "HTTP/1.1"), "r1")
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


def test_probes_that_pass_in_time_are_not_logged(events: Events) -> None:
    """By path and by user agent; a probe that fails or is slow is worth a line."""
    found = events(
        """
        log_request(Request("GET", "/healthz", 200))
        log_request(Request("GET", "/any", 200, user_agent="kube-probe/1.32"))
        log_request(Request("GET", "/healthz", 503))
        log_request(Request("GET", "/readyz", 200, seconds=1.5))
        """
    )
    assert [event["httpRequest"]["status"] for event in found] == [503, 200]


def test_the_trace_of_a_request_is_in_its_line(events: Events) -> None:
    """With a project, under Cloud Trace's name, too."""
    (event,) = events(
        """
        from podready.runtime.tracing.context import TraceContext
        log_request(Request("GET", "/", 200), "r1", TraceContext("a" * 32, "b" * 16, True))
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
                log_request(Request("GET", f"/{number}", 200))
                log.info("after %d", number)
            log_request(Request("GET", "/last", 200))
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
            for _ in range(100): log_request(Request("GET", "/", 200))
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
    from podready.runtime.logs.formats.shape import Request
    logs.configure()
    async def main():
        for turn in range(10):
            for _ in range(10): log_request(Request("GET", "/", 200))
            await asyncio.sleep(0)
        log_request(Request("GET", "/lost", 200))
        os.kill(os.getpid(), signal.SIGKILL)
    asyncio.run(main())
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, check=False
    )
    assert len(ended.stdout.splitlines()) == 100  # few enough for the pipe, whoever reads it late


def use(monkeypatch: pytest.MonkeyPatch, service: Service) -> Output:
    """Make access lines go to an output of format gcp that has no writer."""
    output = Output()
    output.is_gcp = True
    output.shape = gcp.shaper(service)
    output.labels_text = gcp.labels_text(service)
    output.traces_text = gcp.traces_text(service)
    monkeypatch.setattr(access_log, "OUTPUT", output)
    return output


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    """Give an output of format gcp whose lines go nowhere."""
    return use(monkeypatch, Service("shop", "1"))


TEXT = st.text(st.characters(codec="latin-1"), max_size=50)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(method=st.sampled_from(["GET", "BREW"]), path=TEXT, agent=TEXT, client=TEXT, given_id=TEXT)
def test_the_line_by_hand_is_the_line_of_the_encoder(
    method: str, path: str, agent: str, client: str, given_id: str
) -> None:
    """Whatever the client sends: equal as JSON, or left to the encoder."""
    request = Request(method, path, 200, 5, 0.25, client, agent, "HTTP/1.1")
    line = access_log._by_hand(request, given_id)
    if not line:
        assert access_log._PLAIN(f"{method}{path}{client}{agent}{given_id}") is None
        return
    read: dict[str, Any] = json.loads(line)
    shaped = gcp.shaper(Service())(
        20,
        f"{method} {path} 200",
        access_log.LOGGER,
        0.0,
        {"request_id": given_id},
        Details(request=request),
    )
    filled = {"remoteIp": client, "userAgent": agent, "protocol": "HTTP/1.1"}
    shaped["httpRequest"] |= filled
    assert {**read, "time": ""} == {**shaped, "time": ""}


HEX = st.text("0123456789abcdef", min_size=1, max_size=32)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    trace_id=HEX | TEXT,
    span_id=HEX,
    sampled=st.booleans(),
    project=st.sampled_from(["", "acme", 'a"b']),
)
def test_the_line_by_hand_has_the_trace_of_the_encoder(
    trace_id: str, span_id: str, sampled: bool, project: str
) -> None:
    """Both names of a trace, byte for byte, also when somebody else's ids are no plain words."""
    service = Service("shop", project=project)
    request = Request("GET", "/", 200, 5, 0.25, "10.0.0.9", "curl", "HTTP/1.1")
    with pytest.MonkeyPatch.context() as patch:
        use(patch, service)
        line = access_log._by_hand(request, "r1", TraceContext(trace_id, span_id, sampled))
    if not line:
        assert access_log._PLAIN(trace_id) is None
        return
    fields = {"request_id": "r1", **TraceContext(trace_id, span_id, sampled).log_fields()}
    stamp = datetime.fromisoformat(json.loads(line)["time"]).timestamp() + 5e-7  # no digit lost
    shaped = gcp.shaper(service)(
        20, "GET / 200", access_log.LOGGER, stamp, fields, Details(request=request)
    )
    assert line.replace(b" ", b"") == encode(shaped).replace(b" ", b"")


def test_a_line_with_a_trace_is_put_together_by_hand(
    pipe: int, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most lines have one; the general way costs twice as much."""
    monkeypatch.setattr(output, "shape", None)
    trace = TraceContext("a" * 32, "b" * 16, False)
    access_log.log_request(Request("GET", "/", 200), "r1", trace)
    read = json.loads(os.read(pipe, 4096))
    assert (read["trace_id"], read["trace_sampled"]) == ("a" * 32, False)
    assert "log_error" not in read


def test_a_stalled_reader_keeps_neither_the_loop_nor_whole_lines(events: Events) -> None:
    """A turn's lines that meet a full pipe arrive later, each of them whole."""
    ours, theirs = os.pipe()
    code = """
    import asyncio
    from podready.runtime import logs
    from podready.runtime.logs.intake.access_log import log_request
    from podready.runtime.logs.formats.shape import Request
    logs.configure()
    async def main():
        for turn in range(100):
            for number in range(50): log_request(Request("GET", f"/{turn}/{number}", 200))
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
def pipe(output: Output) -> Iterator[int]:
    """The reading end of a pipe that the output writes to."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    output.writer = LogWriter(theirs, lambda lost: b"%d\n" % lost)
    yield ours
    output.writer.close()
    os.close(theirs)
    os.close(ours)


def test_an_access_line_works_without_a_loop(pipe: int) -> None:
    """In a plain thread it is written at once."""
    access_log.log_request(Request("GET", "/", 200))
    assert json.loads(os.read(pipe, 4096))["logging.googleapis.com/labels"] == {
        "service": "shop",
        "version": "1",
    }


def _paths(pipe: int) -> list[str]:
    try:
        lines = os.read(pipe, 65536).splitlines()
    except BlockingIOError:
        return []
    return [json.loads(line)["httpRequest"]["requestUrl"] for line in lines]


def test_lines_of_a_turn_come_together_at_its_end(pipe: int) -> None:
    """Nothing is written while the turn lasts, all of it right after, in every turn."""

    async def turns() -> list[list[str]]:
        seen = []
        for turn in range(3):
            access_log.log_request(Request("GET", f"/{turn}/a", 200))
            access_log.log_request(Request("GET", f"/{turn}/b", 200))
            seen.append(_paths(pipe))
            await asyncio.sleep(0)
            seen.append(_paths(pipe))
        return seen

    wanted: list[list[str]] = []
    for turn in range(3):
        wanted += [[], [f"/{turn}/a", f"/{turn}/b"]]
    assert asyncio.run(turns()) == wanted


def test_a_loop_that_ended_in_its_turn_takes_no_later_line_along(pipe: int, output: Output) -> None:
    """What it still held comes with the next line, also in the loop after it."""

    async def log(path: str) -> None:
        access_log.log_request(Request("GET", path, 200))

    dead = asyncio.new_event_loop()
    dead.call_soon(dead.stop)
    dead.call_soon(access_log.log_request, Request("GET", "/1", 200))
    dead.run_forever()
    dead.close()
    writer = output.writer
    assert writer is not None
    writer.flush(0)
    asyncio.run(log("/2"))
    assert _paths(pipe) == ["/1", "/2"]
