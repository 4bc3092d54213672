"""Settings: CPU time to import, define and load eleven variables, beside pydantic-settings.

python -m benchmarks.settings [--rounds 20]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from statistics import median

from benchmarks.harness import Variant, machine, record, rounds, spread, table

PRELUDES = {
    "bare interpreter": "",
    "asyncio app": "import asyncio\nasyncio.run(asyncio.sleep(0))\n",
    "worker of podready run": "import podready.runtime.worker.worker\n",
    "uvicorn + Starlette app": (
        "import asyncio, uvicorn, starlette.applications, starlette.routing\n"
        "asyncio.run(asyncio.sleep(0))\n"
    ),
}
"""What a process has done already when it comes to its settings."""

ENVIRON = {
    "APP_PORT": "8080",
    "APP_DEBUG": "true",
    "APP_NAME": "shop",
    "APP_RATIO": "0.5",
    "APP_WORKERS": "4",
    "APP_SECRET_KEY": "a-long-secret-key",
    "APP_DATABASE_URL": "postgresql://u:p@db/shop",
    "APP_HOSTS": "a,b",
    "APP_LABELS": "a=1",
    "APP_MODE": "fast",
    "APP_TIMEOUT": "5",
}

JSON = {"APP_HOSTS": '["a", "b"]', "APP_LABELS": '{"a": "1"}'}
"""The same lists and maps for pydantic-settings, which reads no other form."""

BY_HAND = """\
import os
def load():
    e = os.environ
    return (int(e["APP_PORT"]), e["APP_DEBUG"] == "true", e["APP_NAME"], float(e["APP_RATIO"]),
            int(e["APP_WORKERS"]), e["APP_SECRET_KEY"], e["APP_DATABASE_URL"],
            e["APP_HOSTS"].split(","), e["APP_LABELS"].split(","), e["APP_MODE"],
            float(e["APP_TIMEOUT"]))
"""

PODREADY = """\
import podready
from typing import Literal
class App(podready.Settings, prefix="APP_"):
    port: int = 3000
    debug: bool = False
    name: str
    ratio: float = 0.1
    workers: int = podready.var(default=1, doc="processes")
    secret_key: podready.Secret[str]
    database_url: podready.Secret[str]
    hosts: list[str] = podready.var(default=())
    labels: dict[str, str] = podready.var(default={})
    mode: Literal["fast", "safe"] = "safe"
    timeout: float = 1.0
load = App.load
"""

PYDANTIC = """\
from typing import Literal
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
class App(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="APP_")
    port: int = 3000
    debug: bool = False
    name: str
    ratio: float = 0.1
    workers: int = Field(default=1, description="processes")
    secret_key: SecretStr
    database_url: SecretStr
    hosts: list[str] = []
    labels: dict[str, str] = {}
    mode: Literal["fast", "safe"] = "safe"
    timeout: float = 1.0
load = App
"""

SOURCES = {
    "os.environ by hand": BY_HAND,
    "podready.Settings": PODREADY,
    "pydantic-settings": PYDANTIC,
}

CHILD = """\
{prelude}
import gc, sys, time, json
pauses = []
gc.callbacks.append(lambda *_: pauses.append(time.process_time_ns()))
modules = len(sys.modules)
begin = time.process_time_ns()
{source}
load()
first = time.process_time_ns() - begin
collecting = sum(pauses[1::2]) - sum(pauses[::2])
modules = len(sys.modules) - modules
begin = time.process_time_ns()
for _ in range(200):
    load()
again = (time.process_time_ns() - begin) / 200
rss = int(open("/proc/self/statm").read().split()[1]) * 4 / 1024
print(json.dumps([first / 1e6, collecting / 1e6, modules, again / 1e3, rss]))
"""


@dataclass(frozen=True)
class Cost:
    """One process; milliseconds, modules, microseconds, MiB."""

    first_ms: float
    collecting_ms: float  # of first_ms
    modules: int
    again_us: float
    rss: float


def main() -> None:
    """Measure every library in every kind of process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    rows = []
    for prelude in PRELUDES:
        variants = [Variant(name, prelude) for name in SOURCES]
        for name, costs in rounds(variants, options.rounds, measure).items():
            rows.append(
                (
                    prelude,
                    name,
                    spread([cost.first_ms for cost in costs], 2),
                    f"{median(cost.collecting_ms for cost in costs):.2f}",
                    costs[0].modules,
                    spread([cost.again_us for cost in costs]),
                    f"{median(cost.rss for cost in costs):.1f}",
                )
            )
    header = (
        "on top of",
        "settings",
        "import + define + load, CPU ms",
        "of it collecting garbage",
        "modules",
        "load again, CPU us",
        "RSS, MiB",
    )
    how = (
        f"Eleven variables, all set; {options.rounds} alternating rounds of fresh processes with "
        "warm caches, median (lowest-highest). Whether a garbage collection is due depends on how "
        "many objects the process has made before; what it looks at is theirs."
    )
    text = f"{how} {machine(('pydantic-settings', 'pydantic', 'starlette'))}"
    record("Settings", f"{text}\n\n{table(header, rows)}")


def measure(variant: Variant) -> Cost:
    """Run one process; the variant's command is the name of what it did before."""
    source = SOURCES[variant.name]
    code = CHILD.format(prelude=PRELUDES[variant.command], source=source)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**ENVIRON, **(JSON if source is PYDANTIC else {}), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return Cost(*json.loads(done.stdout))


if __name__ == "__main__":
    main()
