"""docs/reference/process-changes.md names everything that podready replaces, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "process-changes.md"

SCRIPT = """
import asyncio, importlib, json, logging.config, signal, sys, threading, warnings

for name in ("starlette.routing", "django.core.handlers.base", "hypercorn.logging",
             "hypercorn.asyncio.run", "uvloop", "uvicorn.server", "multiprocessing.util", "flask"):
    importlib.import_module(name)

SKIP = {"__main__", "__mp_main__", "asyncio"}  # asyncio: names of its own modules, once more
MODULES = {name: each for name, each in sys.modules.items() if name not in SKIP}
getsignal = signal.getsignal


def names():
    found = {"sys.stdin": sys.stdin, "sys.stdout": sys.stdout, "sys.stderr": sys.stderr}
    found |= {f"signal {signal.Signals(n).name}": getsignal(n)
              for n in signal.valid_signals() if n in [int(each) for each in signal.Signals]}
    found["the event loop policy"] = asyncio.get_event_loop_policy()
    for module_name, module in MODULES.items():
        for name, value in list(vars(module).items()):
            if callable(value):
                found[f"{module_name}.{name}"] = value
            if issubclass(type(value), type) and value.__module__ == module_name != "builtins":
                if value.__name__ == name:
                    found |= {f"{module_name}.{name}.{inner}": method
                              for inner, method in list(vars(value).items()) if callable(method)}
    return found


before = names()
import podready
import podready.logs
for name in podready.__all__:
    getattr(podready, name)
imported = names()

async def app(scope, receive, send):
    pass

async def drop(message=None):
    pass

DO = {
    "wrap": lambda: asyncio.run(podready.wrap(app)({"type": "lifespan"}, drop, drop)),
    "wrap without logs": lambda: asyncio.run(
        podready.wrap(app, logs=False)({"type": "lifespan"}, drop, drop)
    ),
    "logs": lambda: podready.logs.configure(),
}
DO[sys.argv[1]]()
after = names()


def changed(old, new):
    return sorted(name for name in new if old.get(name) is not new[name])


print(json.dumps([changed(before, imported), changed(imported, after)]), file=sys.__stderr__)
"""

ALIASES = {
    "asyncio.unix_events._UnixSelectorEventLoop.add_signal_handler": (
        "asyncio.SelectorEventLoop.add_signal_handler"
    ),
}


def listed(*headings: str) -> set[str]:
    """Return the names in the first column of the tables under these headings of the page."""
    found: set[str] = set()
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        if section.partition("\n")[0] in headings:
            rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
            found |= {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    return {name for name in found if "." in name or name.startswith("signal ")}


@pytest.mark.parametrize(
    ("what", "headings"),
    [
        ("wrap", ("Logs", "Frameworks", "`podready.wrap` only")),
        ("wrap without logs", ("Frameworks", "`podready.wrap` only")),
        ("logs", ("Logs",)),
    ],
)
def test_the_page_names_what_is_replaced(what: str, headings: tuple[str, ...]) -> None:
    """Every function, class, stream and signal of other modules, before and after."""
    environ = {**os.environ, "PODREADY_ADMIN_PORT": "0", "PODREADY_ADMIN_HOST": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, what],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    by_import, by_call = json.loads(done.stderr.splitlines()[-1])
    assert by_import == []
    assert {ALIASES.get(name, name) for name in by_call} == listed(*headings)
