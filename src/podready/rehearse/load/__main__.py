"""The load process: `python -m podready.rehearse.load`, one `LoadPlan` a run.

Reads the plan as one JSON line from standard input; `stop` or the end of the input ends the load,
`stop SECONDS` limits the timeout for requests under way. Writes one JSON line at the start, one
a second (`progress`) and one at the end (`summary`). Exit code 0 when every planned request is
in the sample file, whatever became of it; 2 when the load could not start.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from podready.clock import SYSTEM_CLOCK
from podready.rehearse.load.connector import connector_for
from podready.rehearse.load.control import ProgressWriter, StopCommand, read_plan_line
from podready.rehearse.load.generator import Generator
from podready.rehearse.load.samples import SampleFile
from podready.rehearse.load.streams import Streams
from podready.rehearse.load.wire import decode_plan

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from podready.rehearse.load.plan import LoadPlan

PROGRESS_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run one load and return the exit code."""
    die_with_parent()
    allow_many_files()
    line, rest = read_plan_line()
    if not line.strip():
        return 0  # the driver went away before it had a plan
    return run(load(decode_plan(line), rest, ProgressWriter()))


async def load(plan: LoadPlan, rest: bytes, writer: ProgressWriter) -> int:
    """Run the plan until it is stopped; every planned request is in the file afterwards."""
    connector = connector_for(plan.target)
    try:
        await connector.start()
    except OSError as error:
        writer.last({"event": "failed", "error": f"the load cannot start: {error}"})
        return 2
    log = SampleFile(Path(plan.samples))
    generator = Generator(plan, connector, log)
    streams = Streams(plan, connector, SYSTEM_CLOCK.monotonic)
    stop = StopCommand()
    stop.listen(rest)
    freeze_garbage()
    generator.start()
    streams.start()
    writer.progress({"event": "started", "started": generator.started})
    await _until_over(generator, stop, writer)
    await generator.stop(stop.timeout)
    await streams.stop()
    summary = replace(generator.summary(), streams=tuple(streams.ends))
    log.close()
    connector.close()
    writer.last({"event": "summary", **summary.to_json()})
    return 0


async def _until_over(generator: Generator, stop: StopCommand, writer: ProgressWriter) -> None:
    ends = {
        asyncio.create_task(generator.planned_out()),
        asyncio.create_task(stop.wait()),
    }
    over: set[asyncio.Task[None]] = set()
    while not over:
        over, _ = await asyncio.wait(
            ends, timeout=PROGRESS_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        writer.progress({"event": "progress", **asdict(generator.progress())})
    for end in ends:
        end.cancel()


def run(main_task: Coroutine[Any, Any, int]) -> int:
    """Run on uvloop where it is installed: less than half the CPU a request."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main_task)
    return uvloop.run(main_task)


def die_with_parent() -> None:
    """Ask the kernel to end this process with its driver, and leave Ctrl-C to the driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def allow_many_files() -> None:
    """Raise the limit of open files as far as the machine allows: a connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def freeze_garbage() -> None:
    """Keep the collector away during the load; a pause of it would be a late request."""
    gc.collect()
    gc.freeze()
    gc.disable()


if __name__ == "__main__":
    sys.exit(main())
