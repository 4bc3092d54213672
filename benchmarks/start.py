"""Start: exec to the first probe answered, time to ready beside the bare engine, memory.

python -m benchmarks.start [--rounds 10]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from statistics import median

from benchmarks.harness import (
    Server,
    Variant,
    machine,
    memory_kb,
    podready,
    record,
    rounds,
    spread,
    table,
    uvicorn,
)

APPS = {"raw ASGI": "raw", "FastAPI": "json_api"}


@dataclass(frozen=True)
class Start:
    """One start; milliseconds and MiB."""

    probe_ms: float | None
    serving_ms: float
    ready_ms: float | None
    first_rss: float
    first_pss: float


def main() -> None:
    """Measure every app on both servers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    rows = []
    for title, app in APPS.items():
        variants = [uvicorn(app, "--no-access-log"), podready(app, "--no-access-log")]
        seen = rounds(variants, options.rounds, measure)
        bare = median(start.serving_ms for start in seen["uvicorn"])
        for name, starts in seen.items():
            serving_ms = [start.serving_ms for start in starts]
            rows.append(
                (
                    title,
                    name,
                    _spread([start.probe_ms for start in starts]),
                    spread(serving_ms),
                    f"{median(serving_ms) - bare:+.0f}",
                    _spread([start.ready_ms for start in starts]),
                    f"{median(start.first_rss for start in starts):.1f}",
                    f"{median(start.first_pss for start in starts):.1f}",
                )
            )
    header: tuple[str, ...] = ("app", "server", "/livez answers, ms", "main port answers, ms")
    header += ("more, ms",)
    header += ("/readyz 200, ms", "RSS of PID 1, MiB", "PSS, MiB")
    how = f"From exec, {options.rounds} alternating rounds, median (lowest-highest), warm caches."
    record("Start", f"{how} {machine(('uvicorn', 'fastapi'))}\n\n{table(header, rows)}")


def measure(variant: Variant) -> Start:
    """Start once and end it."""
    server = Server(variant, pinned=False)
    try:
        supervised = "podready" in variant.command
        probe = server.until_answering(server.admin, "/livez") if supervised else None
        serving = server.until_answering(server.port)
        ready = server.until_answering(server.admin, "/readyz") if supervised else None
        rss, pss = (memory_kb(server.process.pid, what) / 1024 for what in ("Rss", "Pss"))
        return Start(_ms(probe), serving * 1000, _ms(ready), rss, pss)
    finally:
        server.close()


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return spread(known) if known else "-"


if __name__ == "__main__":
    main()
