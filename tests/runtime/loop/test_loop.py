"""The loop of PID 1: callbacks of one round may take each other's sockets away."""

from __future__ import annotations

import socket

from podready.runtime.loop.loop import Loop


def test_a_socket_that_was_closed_in_this_round_is_not_read() -> None:
    """Two workers end at once: reaping the first closes the channel whose turn comes next."""
    loop = Loop()
    pairs = [socket.socketpair() for _ in range(2)]
    read: list[int] = []

    def close_all(which: int) -> None:
        read.append(which)
        for ours, _ in pairs:
            loop.unwatch(ours)  # raises for a socket that is closed
            ours.close()
        loop.stop()

    for which, (ours, theirs) in enumerate(pairs):
        loop.watch(ours, read=lambda which=which: close_all(which), write=None)  # type: ignore[misc]
        theirs.close()
    loop.run()
    assert len(read) == 1
    loop.close()


def test_threads_are_heard() -> None:
    """A callback from elsewhere runs on the loop, in order."""
    loop = Loop()
    loop.accept_threads()
    said: list[int] = []
    for number in range(3):
        loop.call_soon_threadsafe(lambda number=number: said.append(number))  # type: ignore[misc]
    loop.call_soon_threadsafe(loop.stop)
    loop.run()
    assert said == [0, 1, 2]
    loop.close()
    loop.call_soon_threadsafe(loop.stop)  # too late, and no error
