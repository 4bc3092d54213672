"""Whether the main listener answers, tested every five seconds through loop-back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.runtime.supervisor.selftest import SelfTest

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from podready.runtime.loop.loop import Loop, Timer

_INTERVAL = 5.0
_RETRY = 0.05
_MAX_MISSES = 3


class Readiness:
    """`serving` turns true with the first good test and false after three misses in a row.

    `tested` is called with it after every test.
    """

    def __init__(
        self, loop: Loop, address: tuple[str, int], secret: str, tested: Callable[[bool], None]
    ) -> None:
        self.serving = False
        self._loop = loop
        self._address = address
        self._secret = secret
        self._tested = tested
        self._misses = 0
        self._test: SelfTest | None = None
        self._timer: Timer | None = None
        self._stopped = False

    def test(self) -> None:
        """Test now, then every five seconds."""
        if self._stopped or self._test is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._test = SelfTest(self._loop, self._address, self._secret, self._done)

    def _done(self, good: bool) -> None:
        self._test = None
        self._misses = 0 if good else self._misses + 1
        if good or self._misses >= _MAX_MISSES:
            self.serving = good
        self._timer = self._loop.call_later(_INTERVAL if self.serving else _RETRY, self.test)
        self._tested(self.serving)

    def stop(self) -> None:
        """Test no more: the listener is about to close."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._test is not None:
            self._test.cancel()

    def sockets(self) -> list[socket.socket]:
        """Return the socket of a test under way, for a forked child to close."""
        return [self._test.sock] if self._test is not None else []
