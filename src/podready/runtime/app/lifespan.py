"""The ASGI lifespan protocol, spoken by podready instead of the engine.

Engines wait for ever for a lifespan that hangs and hide one that crashes behind "unsupported";
here both have a limit and a name.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from podready.errors import PodreadyError, StartupError
from podready.runtime.app.call_failures import call_site, failed_as_call

_log = logging.getLogger("podready.lifespan")


class Lifespan:
    """One app's lifespan; `mode` is auto, on or off."""

    def __init__(self, app: Any, mode: str) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._mode = mode
        self._inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._started: asyncio.Future[str | None] | None = None
        self._stopped: asyncio.Future[str | None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._supported = False
        self._spoken = False  # the app took the start-up event, so it knows the protocol

    async def startup(self) -> None:
        """Run the app's start-up; raises StartupError with the app's own message."""
        if self._mode == "off":
            return
        loop = asyncio.get_running_loop()
        self._started, self._stopped = loop.create_future(), loop.create_future()
        self._task = loop.create_task(self._run(), name="lifespan")
        self._inbox.put_nowait({"type": "lifespan.startup"})
        failure = await self._started
        if failure is not None:
            raise StartupError(f"the app's lifespan start-up failed: {_last_line(failure)}")

    async def shutdown(self) -> None:
        """Run the app's shutdown; the caller bounds it in time."""
        if not self._supported or self._task is None or self._task.done():
            return
        assert self._stopped is not None
        self._inbox.put_nowait({"type": "lifespan.shutdown"})
        failure = await self._stopped
        if failure is not None:
            _log.error("the app's lifespan shutdown failed: %s", _last_line(failure))

    def cancel(self) -> None:
        """Cut a lifespan that does not end by itself."""
        if self._task is not None:
            self._task.cancel()

    @call_site
    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        failure: str | None = None
        try:
            await self._app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            failure = "cancelled"
        except PodreadyError as error:
            self._fail_with(error)
        except Exception as error:  # noqa: BLE001 - whatever the app raises ends here, named
            if failed_as_call(error):
                self._fail_with(_no_asgi_app(error))
            failure = self._judge(error)
        finally:
            self._settle(self._started, failure)
            self._settle(self._stopped, failure)

    def _judge(self, error: Exception) -> str | None:
        """Return the failure that `error` amounts to; None when lifespan is just not spoken.

        The ASGI specification asks servers to carry on when the app raises on this scope; but
        one that took the start-up event and then raised has failed to start.
        """
        if self._mode == "auto" and not self._spoken:
            _log.debug("the app does not speak lifespan: %s: %s", type(error).__name__, error)
            return None
        _log.error("exception in the app's lifespan", exc_info=error)
        return f"{type(error).__name__}: {error}"

    def _fail_with(self, error: PodreadyError) -> None:
        if self._started is not None and not self._started.done():
            self._started.set_exception(error)

    def _settle(self, future: asyncio.Future[str | None] | None, failure: str | None) -> None:
        if future is not None and not future.done():
            future.set_result(failure)

    async def _receive(self) -> dict[str, str]:
        self._spoken = True
        return await self._inbox.get()

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if not kind.startswith("lifespan."):  # an app that knows only HTTP answers a request
            self._spoken = False
            raise RuntimeError(f"the app answered the lifespan scope with {kind}")
        failure = message.get("message", "no message") if kind.endswith(".failed") else None
        if kind.startswith("lifespan.startup."):
            self._supported = failure is None
            self._settle(self._started, failure)
        elif kind.startswith("lifespan.shutdown."):
            self._settle(self._stopped, failure)


def _no_asgi_app(error: Exception) -> StartupError:
    return StartupError(
        f"the app cannot be called as an ASGI app: {error}; if it can be for requests, add "
        "--lifespan off"
    )


def _last_line(text: str) -> str:
    """Return the line that says what happened; an exception group's drawing goes on after it."""
    lines = [line.strip(" |+-") for line in text.splitlines()]
    return next((line for line in reversed(lines) if line), "no message")
