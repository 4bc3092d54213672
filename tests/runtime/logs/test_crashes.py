"""Uncaught exceptions and warnings: told whatever has become of the loggers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from .conftest import Events


@pytest.mark.parametrize(
    "silence",
    [
        'logging.config.dictConfig({"version": 1, "root": {"handlers": [], "level": "INFO"}})',
        'for name in ("podready.crash", "py.warnings"): logging.getLogger(name).disabled = True',
        'for name in ("podready", "py.warnings"): logging.getLogger(name).propagate = False',
        'logging.getLogger("podready.crash").setLevel(100)',
        "logging.getLogger().handlers.clear()",
        "logging.disable(logging.CRITICAL)",
    ],
)
@pytest.mark.parametrize("replace", ["on", "off"])
def test_nobody_silences_a_crash(silence: str, replace: str) -> None:
    """Of a thread, of a finalizer and of the program; Python's own hook is no longer there."""
    code = f"""
import logging, logging.config, threading, warnings
from podready.runtime import logs
logs.configure()
{silence}
class Bad:
    def __del__(self): raise OSError("in del")
warnings.warn("careful")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start(); thread.join()
Bad()
raise KeyError("the end")
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"PODREADY_LOG_REPLACE_HANDLERS": replace},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [event["message"].split()[0] for event in found] == [
        "careful", "uncaught", "exception", "uncaught",
    ]  # fmt: skip
    assert [event["severity"] for event in found] == ["WARNING", "ERROR", "WARNING", "CRITICAL"]
    assert ended.stderr == ""


def test_crashes_reach_other_handlers_too_and_levels_hold(events: Events, tmp_path: Path) -> None:
    """A file or an error tracker at the root sees them as before; our own levels are obeyed."""
    found = events(
        f"""
        import threading, warnings
        logging.getLogger().addHandler(logging.FileHandler({str(tmp_path / "log")!r}))
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start(); thread.join()
        logging.getLogger("py.warnings").setLevel(logging.ERROR)
        warnings.warn("careful")
        from podready.runtime.logs.log import LOG
        LOG.levels.override({{"podready.crash": 50}})
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start(); thread.join()
        """
    )
    assert [event["severity"] for event in found] == ["ERROR"]
    assert (tmp_path / "log").read_text().count("uncaught ZeroDivisionError") == 1
