"""A script in a process of its own whose stdout is the log."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

Events = Callable[..., list[dict[str, Any]]]

PREAMBLE = """
import logging, sys
from podready.runtime import logs
from podready.runtime.logs.intake.access_log import log_request
from podready.runtime.logs.formats.parts import ServedRequest
logs.configure()
log = logging.getLogger("shop")
"""


@pytest.fixture
def events() -> Events:
    """Return a function that runs a script after `logs.configure()` and reads its log.

    Each line of stdout must be JSON, and stderr empty.
    """

    def run(code: str, stdin: str = "", **environ: str) -> list[dict[str, Any]]:
        ended = subprocess.run(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(code)],
            env=environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.stderr == ""
        return [json.loads(line) for line in ended.stdout.splitlines()]

    return run
