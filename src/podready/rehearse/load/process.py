"""The driver's handle on the load process: start it, follow it, stop it, read its samples."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from podready.errors import PodreadyError
from podready.rehearse.load.samples import read_samples
from podready.rehearse.load.summary import LoadSummary
from podready.rehearse.load.wire import encode_plan

if TYPE_CHECKING:
    from podready.rehearse.load.plan import LoadPlan, Sample

START_SECONDS = 20.0
"""Time the process gets to import and to find its target, on a busy machine."""

STOP_MARGIN_SECONDS = 20.0
"""Time on top of the longest request timeout, to write and to exit."""

EXIT_SECONDS = 5.0
"""Time the process gets to exit once it has written its summary."""

_LINE_LIMIT = 16 * 1024 * 1024  # the summary lists every end of every stream


class LoadError(PodreadyError):
    """The load process could not start, or ended before it had written its summary."""


class LoadProcess:
    """One load: `await start()`, look at `progress`, `await stop()`.

    `progress` is the process' latest fact: {} before the first one, then a dict with `event`
    ("started", "progress" or "summary"), `sent`, `dropped`, `in_flight`, `connections`,
    `p50_ms`, `p99_ms`, `lag_p99_ms` and `outcomes`. `started` is the CLOCK_MONOTONIC time of
    request 0.
    """

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self._summary: dict[str, Any] | None = None
        self._failure = ""
        self.progress: dict[str, Any] = {}
        self.started = 0.0

    @property
    def pid(self) -> int:
        """Return the process id; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def samples(self) -> str:
        """Return the path of the sample file; "" before the start when the plan names none."""
        return self._plan.samples

    async def start(self) -> None:
        """Start the load; returns when its first request is on its way.

        Raises LoadError when it cannot start.
        """
        if not self._plan.samples:
            self._folder = tempfile.TemporaryDirectory(prefix="podready-load-")
            self._plan = replace(self._plan, samples=str(Path(self._folder.name, "samples.jsonl")))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-X", "frozen_modules=on", "-m", "podready.rehearse.load"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )
        self._reader = asyncio.create_task(self._follow())
        await self._write(encode_plan(self._plan))
        await self._wait_for_start()

    async def stop(self, timeout: float | None = None) -> tuple[list[Sample], LoadSummary]:
        """StopCommand planning requests, wait for those under way, and return all samples in order.

        `timeout` is in seconds; by default every request may use up its own timeout. Raises
        LoadError when the process ended without its summary; it is gone in every case.
        """
        longest = max(kind.timeout for kind in self._plan.requests)
        limit = STOP_MARGIN_SECONDS + (longest if timeout is None else timeout)
        try:
            await self._write(b"stop\n" if timeout is None else f"stop {timeout}\n".encode())
            await self._ended(limit)
            if self._summary is None:
                raise LoadError(self._failure or "the load process ended without a summary")
            samples = await asyncio.to_thread(read_samples, self._plan.samples)
            return samples, LoadSummary.from_json(self._summary)
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End the process at once if it still runs, and remove its temporary files."""
        if self._process is not None and not await self._is_leaving():
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        if self._process is not None:
            await self._process.wait()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def _is_leaving(self) -> bool:
        """Return whether it has ended; one that has written its summary gets the time to.

        To signal a process that ends just now makes Popen reap it, and asyncio, which wants to do
        that itself, complain on stderr.
        """
        assert self._process is not None
        if self._process.returncode is None and self._summary is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EXIT_SECONDS):
                    await self._process.wait()
        return self._process.returncode is not None

    async def _write(self, line: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # its end says the same
            self._process.stdin.write(line)
            await self._process.stdin.drain()

    async def _wait_for_start(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._begun.wait()
        except TimeoutError:
            self._failure = f"the load process did not start within {START_SECONDS:g} s"
        if not self.started:
            await self.kill()
            raise LoadError(self._failure or "the load process ended before its first request")

    async def _ended(self, limit: float) -> None:
        assert self._reader is not None
        try:
            async with asyncio.timeout(limit):
                await asyncio.shield(self._reader)
        except TimeoutError:
            self._failure = f"the load process did not stop within {limit:g} s"

    async def _follow(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._hear(orjson.loads(line))
        self._begun.set()

    def _hear(self, fact: dict[str, Any]) -> None:
        self.progress = fact
        match fact["event"]:
            case "started":
                self.started = fact["started"]
                self._begun.set()
            case "summary":
                self._summary = fact
            case "failed":
                self._failure = fact["error"]
