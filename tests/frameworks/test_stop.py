"""One death, many witnesses: SIGTERM reaches a pod with everything under way at once.

The drain delay is longer than the test's timeout, and a second SIGTERM ends it: so each step
waits for what it has seen, never for a time.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from tests.frameworks.frameworks import Framework
from tests.frameworks.pod import PORT, TIMEOUT, Pod, Reply, until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

pytestmark = pytest.mark.slow

FLAGS = ("--drain-delay", "100s", "--grace-period", "150s")


@dataclass
class Witness:
    """What each client and probe saw, in the order of the death."""

    probes: dict[str, int] = field(default_factory=dict)
    kept: Reply | None = None
    fresh: Reply | None = None
    websocket_code: int | None = None
    streams: dict[str, str] = field(default_factory=dict)
    slow: Reply | None = None
    exit_code: int | None = None


@pytest.fixture(scope="module")
def pod(
    framework: Framework, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pod]:
    """A ready pod with a long drain delay."""
    folder = tmp_path_factory.mktemp(f"stop-{framework.name}")
    with closing(Pod(framework.target, folder, ("--engine", engine, *FLAGS))) as pod:
        yield pod.ready()


@pytest.fixture(scope="module")
def witness(pod: Pod, framework: Framework) -> Witness:
    """Let the pod die, with one of every kind of client looking on."""
    seen = Witness()
    with ExitStack() as cleanup:
        kept = pod.client()
        kept.get("/")
        slow = pod.client().begin("/slow")
        streams = {path: _open_stream(pod, path) for path in _streams_of(framework)}
        socket = cleanup.enter_context(_open_socket(pod)) if framework.websocket else None
        assert pod.get("/background").body == b"accepted"
        pod.until_marked("slow-begun")
        pod.until_marked("background-begun")

        pod.signal()
        until(lambda: pod.probe("/readyz") == 503, "not ready while draining")
        seen.probes = {path: pod.probe(path) for path in ("/livez", "/startupz")}
        seen.kept = kept.get("/")
        seen.fresh = pod.get("/")

        pod.signal()
        seen.websocket_code = _close_code(socket) if socket else None
        seen.streams = {path: _read_to_the_end(answer) for path, answer in streams.items()}
        until(pod.refuses, "refusing new connections")
        pod.open_gate("slow")
        seen.slow = slow.finish()
        pod.open_gate("background")
        with suppress(AssertionError):  # None: it hung, and one test below says so
            seen.exit_code = pod.exit_code()
    return seen


def _streams_of(framework: Framework) -> tuple[str, ...]:
    return ("/events", "/events/quiet") if framework.quiet_events else ("/events",)


def _open_stream(pod: Pod, path: str) -> http.client.HTTPResponse:
    answer = pod.client().begin(path).open()
    assert answer.readline() == b"data: 0\n"
    return answer


@contextmanager
def _open_socket(pod: Pod) -> Iterator[ClientConnection]:
    with connect(f"ws://{pod.address}:{PORT}/ws", compression=None) as socket:
        socket.send("hello")
        assert socket.recv(TIMEOUT) == "hello"
        yield socket


def _close_code(socket: ClientConnection) -> int | None:
    try:
        socket.recv(TIMEOUT)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None
    except TimeoutError:
        return None
    return None


def _read_to_the_end(answer: http.client.HTTPResponse) -> str:
    """Return "clean" when the stream ended between two events with its last chunk."""
    rest, deadline = b"data: 0\n", time.monotonic() + TIMEOUT
    try:
        while chunk := answer.read1():
            rest = rest[-9:] + chunk
            if time.monotonic() > deadline:
                return "endless"
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        return repr(error)
    return "clean" if rest.endswith(b"\n\n") else f"cut after {rest!r}"


def test_the_probes_tell_the_truth_while_draining(witness: Witness) -> None:
    """Not ready, yet alive and started: a kubelet has nothing to restart."""
    assert witness.probes == {"/livez": 200, "/startupz": 200}


def test_an_idle_connection_is_served_and_told_that_it_was_the_last_time(witness: Witness) -> None:
    """The keep-alive client asks again after SIGTERM, gets its answer and `Connection: close`."""
    assert witness.kept is not None
    assert (witness.kept.status, witness.kept.last) == (200, True)


def test_a_new_connection_is_served_while_draining(witness: Witness) -> None:
    """A proxy that has not heard yet sends someone new; he is served too."""
    assert witness.fresh is not None
    assert (witness.fresh.status, witness.fresh.last) == (200, True)


def test_a_slow_request_is_finished(witness: Witness) -> None:
    """The request under way at SIGTERM gets its whole answer, and is told to go elsewhere next."""
    assert witness.slow is not None
    assert (witness.slow.status, witness.slow.body) == (200, b"slow done")
    assert witness.slow.last


def test_streams_end_between_two_events(witness: Witness, framework: Framework) -> None:
    """The busy and the silent stream end with a proper last chunk, so the client reconnects."""
    assert witness.streams == dict.fromkeys(_streams_of(framework), "clean")


def test_the_app_hears_that_its_streams_are_over(
    witness: Witness, pod: Pod, framework: Framework
) -> None:
    """Generators are closed, so that what they hold is given back."""
    assert witness.streams
    assert "events-over" in pod.marks
    assert ("quiet-over" in pod.marks) == framework.quiet_events


def test_a_websocket_is_closed_with_1012(witness: Witness, pod: Pod, framework: Framework) -> None:
    """ "Service restart": the client comes back to another pod; the app hears of it too."""
    assert witness.websocket_code == (1012 if framework.websocket else None)
    assert ("socket-over" in pod.marks) == framework.websocket


def test_background_work_is_finished(witness: Witness, pod: Pod) -> None:
    """The answer was sent before SIGTERM; what follows it is done before the app shuts down."""
    assert witness.slow is not None
    assert "background-done" in pod.marks
    if "shutdown" in pod.marks:
        assert pod.marks.index("background-done") < pod.marks.index("shutdown")


def test_the_app_shuts_down_last_and_once(witness: Witness, pod: Pod, framework: Framework) -> None:
    """Lifespan shutdown follows all work, then the hooks, in reverse order of registration."""
    assert witness.exit_code is not None
    end = ["shutdown"] if framework.lifespan else []
    assert pod.marks[-len(end) - 3 :] == [*end, "hook last", "hook hook", "hook first"]


def test_the_exit_is_clean_and_quiet(witness: Witness, pod: Pod) -> None:
    """Exit 0, every line is JSON, and nothing in the log alarms anybody but the second SIGTERM."""
    assert witness.exit_code == 0
    complaints = [each["message"] for each in pod.complaints()]
    assert [each for each in complaints if "SIGTERM again" not in each] == []
