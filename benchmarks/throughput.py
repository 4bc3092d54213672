"""Requests per second and CPU per request: `podready run` beside the servers as they come.

python -m benchmarks.throughput [raw|fastapi|flask ...] [--rounds 5] [--seconds 4]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.harness import (
    HOST,
    ROOT,
    Load,
    Variant,
    machine,
    podready,
    record,
    rounds,
    serving,
    spread,
    table,
    uvicorn,
    wrk,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANY_PORT = {"PODREADY_ADMIN_PORT": "0"}
_QUIET = {**_ANY_PORT, "PODREADY_ACCESS_LOG": "false"}


def gunicorn(
    app: str, name: str, environ: Mapping[str, str] | None = None, flags: str = ""
) -> Variant:
    """Return gunicorn's threaded worker on an app of benchmarks/apps."""
    base = f"gunicorn -k gthread --threads 32 -b {HOST}:{{port}} --chdir {ROOT} {flags}"
    return Variant(name, f"{base} benchmarks.apps.{app}:app", environ or {})


def wrapped(name: str, environ: Mapping[str, str]) -> Variant:
    """Return uvicorn on the app with `podready.wrap` around it."""
    return replace(uvicorn("wrapped_raw", "--no-access-log", name), environ=environ)


TABLES: dict[str, tuple[str, list[Variant]]] = {
    "raw": (
        "Throughput: raw ASGI",
        [
            uvicorn("raw", name="uvicorn, its access log"),
            podready("raw", name="podready run, JSON access log"),
            uvicorn("raw", "--no-access-log", "uvicorn, no access log"),
            podready("raw", "--no-access-log", "podready run, no access log"),
            podready(
                "raw",
                "--no-access-log --engine granian",
                "podready run --engine granian, no access log",
            ),
            wrapped("uvicorn and podready.wrap, JSON access log", _ANY_PORT),
            wrapped("uvicorn and podready.wrap, no access log", _QUIET),
        ],
    ),
    "fastapi": (
        "Throughput: FastAPI JSON",
        [
            uvicorn("json_api", name="uvicorn, its access log"),
            podready("json_api", name="podready run, JSON access log"),
            uvicorn("json_api", "--no-access-log", "uvicorn, no access log"),
            podready("json_api", "--no-access-log", "podready run, no access log"),
        ],
    ),
    "flask": (
        "Throughput: Flask over WSGI",
        [
            gunicorn("flask_hello", "gunicorn gthread, no access log"),
            gunicorn("flask_hello", "gunicorn gthread, its access log", flags="--access-logfile -"),
            podready("flask_hello", "--no-access-log", "podready run, no access log"),
            Variant(
                "granian wsgi, no access log",
                f"granian --interface wsgi --blocking-threads 32 --host {HOST} --port {{port}} "
                f"--no-ws --no-access-log --working-dir {ROOT} benchmarks.apps.flask_hello:app",
            ),
            podready("flask_hello", name="podready run, JSON access log"),
            gunicorn("wrapped_flask", "gunicorn and podready.wrap, JSON access log", _ANY_PORT),
            gunicorn("wrapped_flask", "gunicorn and podready.wrap, no access log", _QUIET),
        ],
    ),
}

PACKAGES = ("uvicorn", "uvloop", "httptools", "fastapi", "flask", "gunicorn", "granian")


def main() -> None:
    """Measure the tables named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", default=list(TABLES), help=", ".join(TABLES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    options = parser.parse_args()
    for name in options.tables:
        title, variants = TABLES[name]
        seen = rounds(variants, options.rounds, lambda variant: measure(variant, options.seconds))
        record(title, report(seen, options.rounds, options.seconds))


def measure(variant: Variant, seconds: int) -> Load:
    """Warm a fresh server up and load it."""
    with serving(variant) as server:
        wrk(server, 1)
        return wrk(server, seconds)


def report(seen: dict[str, list[Load]], number: int, seconds: int) -> str:
    """Return the section: the first variant is the one that ratios refer to."""
    base = next(iter(seen.values()))
    rows = []
    for name, loads in seen.items():
        ratio = median(
            load.per_second / other.per_second for load, other in zip(loads, base, strict=True)
        )
        cpu = median(load.cpu_us for load in loads) / median(load.cpu_us for load in base)
        rows.append(
            (
                name,
                spread([load.per_second for load in loads]),
                f"{ratio:.2f}",
                spread([load.cpu_us for load in loads], 1),
                f"{cpu:.2f}",
                f"{median(load.p99_ms for load in loads):.1f}",
                sum(load.errors for load in loads),
            )
        )
    header = ("server", "requests/s", "ratio", "CPU us/request", "ratio", "p99 ms", "errors")
    how = (
        f"wrk -t1 -c32, {number} alternating rounds of {seconds} s, one worker, server on 1 CPU; "
        "CPU time is user and system of all its processes."
    )
    return f"{how} Median (lowest-highest). {machine(PACKAGES)}\n\n{table(header, rows)}"


if __name__ == "__main__":
    main()
