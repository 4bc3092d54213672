"""Running before the server's own SIGTERM handler, however and whenever that is installed.

Servers listen for SIGTERM in three ways: `signal.signal` (uvicorn, gunicorn's WSGI workers,
granian for WSGI), `loop.add_signal_handler` (gunicorn's ASGI worker, granian for ASGI), or an
event shared with their parent process (hypercorn, see `wrap.hypercorn`). Some do so before they
import the app, some after, some from a place where no code of ours runs on the main thread. So
the first two functions are replaced, for SIGTERM only: what is installed through them is
kept as the server's handler, and podready's stays in front.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

Handler = Callable[[int, Any], None]

_SIGTERM: Final = signal.SIGTERM
_set_handler = signal.signal
_get_handler = signal.getsignal


class Sigterm:
    """Asks `holds` first; the server's handler runs at once if it says no, else at the release.

    `holds` is called inside the signal handler, so it must be short and take no lock.
    """

    def __init__(self, holds: Callable[[], bool]) -> None:
        self._holds = holds
        self._servers_handler: Any = signal.SIG_DFL
        self._released = False
        self.installed = False

    def install(self) -> None:
        """Install the handler, on the main thread; elsewhere nothing can be installed."""
        if self.installed or threading.current_thread() is not threading.main_thread():
            return
        self._servers_handler = self._handler_of_loop() or _get_handler(_SIGTERM)
        _set_handler(_SIGTERM, self._handle)
        patched: Any = signal
        patched.signal, patched.getsignal = self._signal, self._getsignal
        for loop_class in _loop_classes():
            loop_class.add_signal_handler = self._for_loop(loop_class)
        self.installed = True

    def release_signal(self) -> None:
        """Send the signal on to the server's handler; from any thread."""
        self._released = True
        os.kill(os.getpid(), _SIGTERM)  # only the main thread may run a handler

    def _handle(self, number: int, frame: Any) -> None:
        if not self._released and self._holds():
            return
        if callable(self._servers_handler):
            self._servers_handler(number, frame)
        elif self._servers_handler == signal.SIG_DFL:
            _set_handler(_SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), _SIGTERM)

    def _signal(self, number: int, handler: Any) -> Any:
        if number != _SIGTERM or threading.current_thread() is not threading.main_thread():
            return _set_handler(number, handler)
        previous, self._servers_handler = self._servers_handler, handler
        return previous

    def _getsignal(self, number: int) -> Any:
        return self._servers_handler if number == _SIGTERM else _get_handler(number)

    def _for_loop(self, loop_class: Any) -> Callable[..., None]:
        """Return an `add_signal_handler` that leaves all other signals to the class's own."""
        own = loop_class.add_signal_handler

        def add_signal_handler(loop: Any, sig: int, callback: Any, *arguments: Any) -> None:
            if sig == _SIGTERM:
                self._servers_handler = _through(loop, callback, arguments)
            else:
                own(loop, sig, callback, *arguments)

        return add_signal_handler

    def _handler_of_loop(self) -> Handler | None:
        """Take SIGTERM off the loop that has it already: gunicorn's ASGI worker is that early.

        asyncio keeps its handlers in a private dictionary and uvloop in one that only the
        garbage collector can see; neither has a way to ask.
        """
        loop = _loop_of_this_thread()
        handle = _signal_handlers(loop).get(_SIGTERM) if loop is not None else None
        if handle is None:
            return None
        parts = [part for part in gc.get_referents(handle) if not isinstance(part, type)]
        callback = next((part for part in parts if callable(part)), None)
        if callback is None:
            return None
        arguments = next((part for part in parts if isinstance(part, tuple)), ())
        loop.remove_signal_handler(_SIGTERM)
        return _through(loop, callback, arguments)


def _through(loop: Any, callback: Callable[..., Any], arguments: tuple[Any, ...]) -> Handler:
    """Return a handler that calls back on the loop, as the loop itself would."""

    def handler(_number: int, _frame: Any) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(callback, *arguments)

    return handler


def _loop_classes() -> list[Any]:
    """Return the loops that servers use: asyncio's, and uvloop's if it is there."""
    classes: list[Any] = [asyncio.SelectorEventLoop]
    try:
        import uvloop
    except ImportError:
        return classes
    return [*classes, uvloop.Loop]


def _signal_handlers(loop: Any) -> dict[Any, Any]:
    known = getattr(loop, "_signal_handlers", None)
    if isinstance(known, dict):
        return known
    candidates = gc.get_referents(loop) if "uvloop" in sys.modules else []
    return next((each for each in candidates if isinstance(each, dict) and _SIGTERM in each), {})


def _loop_of_this_thread() -> Any:
    """Return the running loop, or the one that was set for this thread; never makes one."""
    running = asyncio._get_running_loop()
    if running is not None:
        return running
    if sys.version_info < (3, 14):  # get_event_loop would make one there
        local = getattr(asyncio.get_event_loop_policy(), "_local", None)
        return getattr(local, "_loop", None)
    try:
        return asyncio.get_event_loop()
    except RuntimeError:
        return None
