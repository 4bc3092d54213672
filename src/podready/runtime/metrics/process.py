"""What the kernel says of a process: CPU, memory, descriptors, age; read by the supervisor."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One process at one moment: seconds, bytes, seconds since 1970."""

    cpu: float
    memory: int
    fds: int | None
    max_fds: int | None
    started: float


def boot_time() -> float:
    """Return when the machine started, in seconds since 1970."""
    for line in _read("/proc/stat").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


_booted: list[float] = []


def process_facts(pid: int) -> ProcessFacts | None:
    """Return the facts about a process, None when it is gone or /proc is not there.

    The fields of /proc/PID/stat are those of proc(5): after the command's name 14 and 15 are the
    CPU ticks, 22 the start in ticks since boot, 24 the resident pages.
    """
    try:
        fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        if not _booted:
            _booted.append(boot_time())
    except OSError:
        return None
    return ProcessFacts(
        cpu=(int(fields[11]) + int(fields[12])) / _TICKS,
        memory=int(fields[21]) * _PAGE,
        fds=_open_fds(pid),
        max_fds=_max_fds(pid),
        started=_booted[0] + int(fields[19]) / _TICKS,
    )


def _read(path: str) -> str:
    with open(path) as file:  # pathlib costs PID 1 its import
        return file.read()


def _open_fds(pid: int) -> int | None:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - three times faster than iterdir
    except OSError:
        return None


def _max_fds(pid: int) -> int | None:
    try:
        text = _read(f"/proc/{pid}/limits")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return int(soft) if soft.isdecimal() else None
    return None
