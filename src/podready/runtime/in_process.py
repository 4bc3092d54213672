"""The runtime inside a process that a foreign server owns: phase, probes and drain on one thread.

There is no supervisor here. A daemon thread answers the probes on the admin port (of several
workers the first one that gets the port; another takes over when it is gone) and keeps the time
of the drain:

    SIGTERM         /readyz 503, shutdown notice, `Connection: close`; the server goes on accepting
    + drain delay   streams are ended; what was in flight at this moment may end
    then            the server's own handler gets the signal, and the server stops as it does
    at the deadline what is still in flight is named in the log and cancelled
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from podready.contract import LIVEZ, READYZ, STARTUPZ, Phase
from podready.errors import StartupError
from podready.runtime.admin import AdminServer
from podready.runtime.answers import Answer, Standing, answer_probe
from podready.runtime.checking import Checking
from podready.runtime.hypercorn_stop import hold_hypercorn
from podready.runtime.inflight import IN_FLIGHT, Kind, Work
from podready.runtime.lifecycle import Lifecycle
from podready.runtime.listener import bind, listen
from podready.runtime.listening import has_listener
from podready.runtime.loop import Loop
from podready.runtime.notice import NOTICE
from podready.runtime.probes import CHECKS, WORD
from podready.runtime.sigterm import Sigterm
from podready.runtime.stuck import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from podready.runtime.admin import Request
    from podready.runtime.asgi import Wrapper
    from podready.runtime.config import RunConfig

PROBES: Final = frozenset({LIVEZ, READYZ, STARTUPZ})

_CLAIM: Final = 1.0
"""Seconds between two tries to get the admin port."""

_BEAT: Final = 0.5
_POLL: Final = 0.05
_UNWIND: Final = 1.0
_STREAMS_PER_SECOND: Final = 100
"""As in `drain`: streams end no faster, so that their clients do not all come back at once."""

_LIFESPAN_PATIENCE: Final = 2.0
"""Seconds after the import in which a server that speaks lifespan has begun to."""

_log = logging.getLogger("podready.wrap")


class InProcess:
    """One process's runtime; `wrap` and its faces tell it what they see."""

    def __init__(self, config: RunConfig, *, asgi: bool) -> None:
        self.draining = False
        self.ending = False  # streams, at the end of the drain delay
        self.wrappers: list[Wrapper] = []
        self._config = config
        self._budget = config.budget()
        self._asgi = asgi
        self._sigterm = Sigterm(lambda: self.stop(self._sigterm.hand_over))
        self._pid = 0
        self._used = False  # the server has called the app, so there is something to drain
        self._lifespan: bool | None = None  # None: not seen; else whether its start-up is over
        self._hand_over: Callable[[], object] = lambda: None
        self._loop: Loop
        self._wake: tuple[socket.socket, socket.socket]
        self._forget()

    def _forget(self) -> None:
        now = time.monotonic()
        self.lifecycle = Lifecycle(now)
        self._app_loop: asyncio.AbstractEventLoop | None = None
        self._last_beat = now
        self._admin: AdminServer | None = None
        self._told_taken = False
        self._checking: Checking | None = None
        self._checked = False

    # What the app's side tells

    def start(self) -> None:
        """Begin: at import, and again in a process that was forked after it."""
        if self._pid:  # forked: the thread stayed behind, and its sockets are not ours
            for sock in (*self._wake, *(self._admin.sockets() if self._admin else ())):
                sock.close()
            self._loop.close()
            self._forget()
        self._loop, self._wake = Loop(), socket.socketpair()
        for end in self._wake:
            end.setblocking(False)
        self._pid = os.getpid()
        self._sigterm.install()
        hold_hypercorn(self.stop)
        threading.Thread(target=self._run, name="podready", daemon=True).start()

    def used(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Hear that the server calls the app, on `loop` if it is an ASGI app."""
        if self._pid != os.getpid():
            self.start()
        self._used = True
        if loop is not self._app_loop and loop is not None:
            self._last_beat = time.monotonic()
            self._app_loop = loop

    def lifespan(self, *, started: bool) -> None:
        """Hear that the server runs the app's lifespan, and when its start-up is complete."""
        self._lifespan = started

    def stop(self, hand_over: Callable[[], object]) -> bool:
        """Begin the drain and call `hand_over` at its end; False: nothing to wait for.

        Called from a signal handler: it takes no lock and leaves the rest to the thread. A second
        signal hurries, and a process that never served (gunicorn's arbiter) passes it on.
        """
        again = self.draining
        self.draining = NOTICE.given = True
        for wrapper in self.wrappers:
            wrapper.draining = True
        if again or self._pid != os.getpid() or not self._used:
            return False
        self._hand_over = hand_over
        self._wake[1].send(b"!")
        return True

    # The thread

    def _run(self) -> None:
        self._loop.watch(self._wake[0], read=self._woken, write=None)
        self._claim()
        self._tick()
        self._loop.run()

    def _claim(self) -> None:
        """Get the admin port, or try again later: the worker that has it may end before us."""
        try:
            sock = bind(self._config.admin_host, self._config.admin_port, "PODREADY_ADMIN_PORT")
            try:
                listen(sock, "PODREADY_ADMIN_PORT")
            except StartupError:
                sock.close()
                raise
        except StartupError as error:
            if not self._told_taken:
                self._told_taken = True
                _log.info("another process answers the probes, as it seems: %s", error)
            self._loop.call_later(_CLAIM, self._claim)
            return
        self._admin = AdminServer(self._loop, sock, self._answer)

    def _tick(self) -> None:
        """Look twice a second at what nobody tells: the listener, the app's loop."""
        self._loop.call_later(_BEAT, self._tick)
        if self.lifecycle.phase is Phase.STARTING and self._has_started():
            self.lifecycle.advance(Phase.READY, time.monotonic())
        if self._checking is None and not self._unsure():
            self._checking = Checking(CHECKS, lambda: None)
            self._start_checks(self._checking)
        loop = self._app_loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._beat)

    def _unsure(self) -> bool:
        """Whether the server may be about to start the app, or is doing so."""
        if self._lifespan is not None or not self._asgi:
            return self._lifespan is False
        return time.monotonic() - self.lifecycle.started_at < _LIFESPAN_PATIENCE

    def _has_started(self) -> bool:
        if self._unsure() or (CHECKS and not self._checked):
            return False
        return has_listener(self._admin.sockets()[:1] if self._admin else [])

    def _start_checks(self, checking: Checking) -> None:
        """Run the checks on the app's loop; where it has none yet, or never, on one of ours."""
        if self._app_loop is not None:
            asyncio.run_coroutine_threadsafe(self._check(checking), self._app_loop)
            return

        def run() -> None:
            with asyncio.Runner() as runner:
                runner.run(self._check(checking))
                runner.get_loop().run_forever()

        threading.Thread(target=run, name="podready checks", daemon=True).start()

    def _beat(self) -> None:
        self._last_beat = time.monotonic()

    async def _check(self, checking: Checking) -> None:
        await checking.first_run()
        self._checked = True
        checking.start()

    # Probes

    def answer(self, path: str, *, verbose: bool = False) -> Answer | None:
        """Return the answer to a probe, None for any other path; from any thread."""
        return answer_probe(path, self._standing(), verbose=verbose)

    def _answer(self, request: Request) -> Answer:
        verbose = request.loopback and "verbose" in request.query
        answer = self.answer(request.path, verbose=verbose)
        return answer or Answer(404, b"not found\n", "text/plain")

    def _standing(self) -> Standing:
        now = time.monotonic()
        phase = self.lifecycle.phase
        if self.draining and phase in {Phase.STARTING, Phase.READY}:
            phase = Phase.DRAINING  # the thread will say so too in a moment
        unready = ["set_ready"] if WORD.unready is not None else []
        unready += self._checking.failing() if self._checking else []
        silent = now - self._last_beat if self._app_loop and phase is Phase.READY else 0.0
        return Standing(
            phase=phase,
            started=self.lifecycle.since(Phase.READY) is not None,
            stage=phase,
            elapsed=now - self.lifecycle.started_at,
            limit=0.0,
            unready=tuple(unready),
            broken=WORD.broken,
            stalled=silent if silent > self._config.stall_timeout else None,
            serves_draining=self._config.drain_readiness == "serve",
            details={
                "pid": os.getpid(),
                "inflight": len(IN_FLIGHT.works),
                "checks": self._checking.facts() if self._checking else {},
                "unready": WORD.unready,
            },
        )

    # The drain

    def _woken(self) -> None:
        self._wake[0].recv(64)
        now = time.monotonic()
        if not self.lifecycle.advance(Phase.DRAINING, now):
            return
        NOTICE.give_soon()
        _log.info("SIGTERM: draining, still accepting for %gs", self._budget.drain)
        self._loop.call_later(self._budget.drain, self._close)
        self._loop.call_later(self._budget.cancels_at, self._cut)

    def _close(self) -> None:
        """End the streams, and let what is in flight now end before the server stops."""
        self.lifecycle.advance(Phase.CLOSING, time.monotonic())
        self.ending = True
        works = set(IN_FLIGHT.works)
        streams = [work for work in works if work.end is not None]
        window = min(self._config.stream_window, len(streams) / _STREAMS_PER_SECOND)
        random.shuffle(streams)
        for index, work in enumerate(streams):
            jitter = random.random() if len(streams) > 1 else 0.0  # noqa: S311 - no secret
            self._loop.call_later(window * (index + jitter) / len(streams), partial(_end, work))
        self._wait_for(works)

    def _wait_for(self, works: set[Work]) -> None:
        left = works & set(IN_FLIGHT.works)
        if left:
            self._loop.call_later(_POLL, lambda: self._wait_for(left))
        else:
            self._let_go()

    def _let_go(self) -> None:
        """Give the signal to the server, once; a second one would only disturb its own stop."""
        hand_over, self._hand_over = self._hand_over, lambda: None
        hand_over()

    def _cut(self) -> None:
        for work in sorted(IN_FLIGHT.works, key=lambda work: work.started):
            facts = describe(work)
            _log.error(
                "still under way at the deadline, cutting it: %s, %.1f s old, at %s",
                work.title,
                facts["age"],
                facts["at"],
            )
            work.ended = work.ended or work.kind in {Kind.STREAM, Kind.WEBSOCKET}
            _cancel(work)
        self._loop.call_later(_UNWIND, self._let_go)


def _end(work: Work) -> None:
    """End one stream on its own loop, and its task too if it does not notice."""
    if work.task is None or work.end is None:
        return
    loop = work.task.get_loop()

    async def end_and_unwind() -> None:
        try:
            if work.end is not None:
                await work.end()
        except Exception as error:  # noqa: BLE001 - a broken client must not keep the others
            _log.debug("a stream could not be ended: %s", error)
        await asyncio.sleep(_UNWIND)
        if work.ended:
            _cancel(work)

    if not loop.is_closed():
        asyncio.run_coroutine_threadsafe(end_and_unwind(), loop)


def _cancel(work: Work) -> None:
    task: asyncio.Task[Any] | None = work.task
    if task is not None and work in IN_FLIGHT.works and not task.get_loop().is_closed():
        task.get_loop().call_soon_threadsafe(task.cancel)
