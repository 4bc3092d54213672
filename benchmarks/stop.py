"""Stop: SIGTERM to exit with nothing in flight and no drain delay.

python -m benchmarks.stop [--rounds 10]
"""

from __future__ import annotations

import argparse
import signal
import time
from dataclasses import dataclass

from benchmarks.harness import (
    HOST,
    ROOT,
    Variant,
    machine,
    podready,
    record,
    rounds,
    serving,
    spread,
    table,
    uvicorn,
)

_FLASK = "benchmarks.apps.flask_hello:app"

VARIANTS = [
    podready("raw", "--drain-delay 0s", "podready run, raw ASGI"),
    podready("json_api", "--drain-delay 0s", "podready run, FastAPI"),
    podready("flask_hello", "--drain-delay 0s", "podready run, Flask"),
    uvicorn("raw", name="uvicorn, raw ASGI"),
    Variant(
        "gunicorn gthread, Flask",
        f"gunicorn -k gthread --threads 32 -b {HOST}:{{port}} --chdir {ROOT} {_FLASK}",
    ),
]


@dataclass(frozen=True)
class Stop:
    """One stop."""

    ms: float
    code: int


def main() -> None:
    """Stop each server a few times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    seen = rounds(VARIANTS, options.rounds, measure)
    rows = [
        (
            name,
            spread([stop.ms for stop in stops]),
            ", ".join(str(code) for code in sorted({stop.code for stop in stops})),
        )
        for name, stops in seen.items()
    ]
    how = f"{options.rounds} alternating rounds, median (lowest-highest), no connection open."
    packages = ("uvicorn", "fastapi", "flask", "gunicorn")
    text = table(("server", "SIGTERM to exit, ms", "exit code"), rows)
    record("Stop", f"{how} {machine(packages)}\n\n{text}")


def measure(variant: Variant) -> Stop:
    """Serve a request, SIGTERM, wait for the end."""
    with serving(variant, pinned=False) as server:
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(30)
        return Stop((time.monotonic() - begin) * 1000, code)


if __name__ == "__main__":
    main()
