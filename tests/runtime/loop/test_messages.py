"""The messages between processes: what is sent arrives, and a line that is none says why."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.runtime.loop import messages
from podready.runtime.loop.channel import Channel, channel_pair
from podready.runtime.loop.messages import (
    Cancel,
    Close,
    Drain,
    HandshakeAccepted,
    HealthReport,
    Heartbeat,
    LogLevels,
    Message,
    StartupFailed,
    StartupPhase,
    Stopped,
    Unreadable,
    decode,
    encode,
    unexpected,
)

Pair = tuple[Channel, Channel, list[str]]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Both ends of a channel, and what they report."""
    reports: list[str] = []
    left, right = channel_pair(reports.append)
    yield left, right, reports
    left.close()
    right.close()


SAMPLES: list[Message] = [
    Heartbeat(inflight=2, cpu=1.5, tasks=[{"title": "GET /", "age": 2.0}], serving=True),
    StartupPhase("warmup model", 0.25),
    StartupPhase("importing"),
    HealthReport(failing=["db"], stale_after=3.0, groups={"storage": []}, checks={"db": {}}),
    StartupFailed(exit=3, message="no", trace="Traceback"),
    Stopped(cut=1, stuck=["GET /slow"], log_waits=True),
    Close(cancel_at=1.0, end_at=2),
    LogLevels({"shop": 10}, {"shop": 3.5}),
    Drain(),
]


def test_every_kind_of_the_module_can_be_sent() -> None:
    """The table has every message class there is."""
    classes = {
        name
        for name, each in vars(messages).items()
        if isinstance(each, type) and hasattr(each, "_fields") and each is not Unreadable
    }
    assert set(messages._KINDS) == classes


@pytest.mark.parametrize("message", SAMPLES, ids=lambda each: type(each).__name__)
def test_what_is_sent_arrives(pair: Pair, message: Message) -> None:
    """Over a real socket, as the same value."""
    left, right, reports = pair
    left.send(message)
    (arrived,) = right.receive() or [Unreadable("nothing")]
    assert type(arrived) is type(message)
    assert arrived == message
    assert reports == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"no JSON", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not an object"),
        (b"{}", "unknown kind None"),
        (b'{"kind":["Close"]}', "unknown kind"),
        (b'{"kind":"Heartbeet"}', "unknown kind 'Heartbeet'"),
        (b'{"kind":"Close","cancel_at":1.0}', "Close: missing field 'end_at'"),
        (b'{"kind":"Close","cancel_at":1,"end_at":2,"ends":3}', "Close: unknown field 'ends'"),
        (b'{"kind":"Close","cancel_at":1,"end_at":"2"}', "Close: wrong type of end_at: '2'"),
        (b'{"kind":"Stopped","stuck":null}', "Stopped: wrong type of stuck: None"),
    ],
)
def test_a_line_that_is_no_message_says_why(line: bytes, reason: str) -> None:
    """No kind and no field is guessed or left out."""
    message = decode(line)
    assert isinstance(message, Unreadable)
    assert message.reason.startswith(reason)
    assert message.reason in unexpected(message)
    assert len(message.reason) < 300


FIELDS = sorted({name for types in messages._TYPES.values() for name in types} | {"other"})
VALUES: list[object] = [None, True, -1, 2**70, 1.5, "", "x", [], ["x"], {}, {"a": {"b": 1}}]


@given(
    st.sampled_from(sorted(messages._KINDS)),
    st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(VALUES), max_size=5),
)
def test_no_line_is_an_error_for_the_receiver(kind: str, content: dict[str, object]) -> None:
    """Any values in any fields: a message that can be sent on, or the reason why there is none."""
    message = decode(json.dumps({"kind": kind, **content}).encode())
    if not isinstance(message, Unreadable):
        assert decode(encode(message)) == message


def test_the_messages_around_an_unreadable_one_arrive(pair: Pair) -> None:
    """Only that line is lost."""
    left, right, _ = pair
    left.send(Drain())
    left.sock.send(b'{"kind":"Cancle"}\n')
    left.send(Cancel())
    received = right.receive()
    assert received is not None
    drain, unreadable, cancel = received
    assert (drain, cancel) == (Drain(), Cancel())
    assert isinstance(unreadable, Unreadable)


def test_messages_that_nobody_reads_are_counted_and_reported(pair: Pair) -> None:
    """Beyond 1 MiB new ones are dropped: reported at the first, and as a number at the end."""
    left, right, reports = pair
    heartbeat = Heartbeat(tasks=[{"title": "x" * 10_000}])
    sent = 0
    while left.dropped < 3:
        left.send(heartbeat)
        sent += 1
    assert reports == ["dropping messages to a process that does not read them: Heartbeat"]
    received = 0
    while received < sent - 3:
        received += len(right.receive() or ())
        left.flush()
    assert reports[1:] == ["3 messages to a process that did not read them are lost"]
    left.send(Drain())
    assert right.receive() == [Drain()]
    assert left.dropped == 0


def test_what_has_arrived_is_seen_without_reading_it(pair: Pair) -> None:
    """A blocked worker looks for the end of its pod on the socket itself."""
    left, right, _ = pair
    assert not right.has_arrived(Close)
    left.send(Drain())
    assert not right.has_arrived(Close)
    left.send(Close(1.0, 2.0))
    assert right.has_arrived(Close)
    assert right.receive() == [Drain(), Close(1.0, 2.0)]
    left.close()
    assert right.has_arrived(Close)


def test_a_peer_that_is_gone_is_no_error(pair: Pair) -> None:
    """Sending to it does nothing, receiving says so."""
    left, right, _ = pair
    right.sock.shutdown(socket.SHUT_RDWR)
    left.send(HandshakeAccepted("a"))
    assert left.receive() is None
