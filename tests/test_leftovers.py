"""The watch over what tests leave behind: each kind is found, named, and put back."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]

LEAVES = {
    "environment": "os.environ['LEFT'] = '1'",
    "working directory": "os.chdir('/')",
    "umask": "os.umask(0o044)",
    "limits": "resource.setrlimit(resource.RLIMIT_NOFILE, (200, LIMIT))",
    "locale": "locale.setlocale(locale.LC_ALL, 'C.UTF-8')",
    "sys": "sys.excepthook = print",
    "imports": "sys.path.append('/nowhere')",
    "modules of tests": "sys.modules['main'] = module_of(tmp_path)",
    "switch interval": "sys.setswitchinterval(1)",
    "threading.excepthook": "threading.excepthook = print",
    "garbage collector": "gc.disable()",
    "signal handlers": "signal.signal(signal.SIGUSR2, signal.SIG_IGN)",
    "blocked signals": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])",
    "signal wakeup fd": "signal.set_wakeup_fd(KEPT.fileno())",
    "event loop policy": "asyncio.set_event_loop_policy(type(asyncio.get_event_loop_policy())())",
    "current event loop": "asyncio.set_event_loop(LOOP)",
    "context variables": "VARIABLE.set(1)",
    "logging": "logging.getLogger().addHandler(logging.NullHandler())",
    "loggers": "logging.getLogger('left').setLevel('DEBUG')",
    "podready's log": "LOG.is_configured = True",
    "threads": "threading.Thread(target=time.sleep, args=(6,), daemon=True).start()",
    "children": "KEPT_PROCESSES.append(subprocess.Popen(['sleep', '60']))",
    "descriptors": "KEPT_SOCKETS.append(socket.create_server(('127.0.0.1', 0)))",
}

FILE = """
import asyncio, contextvars, gc, locale, logging, os, resource, signal, socket, subprocess
import sys, threading, time, types, warnings
import pytest
from podready.runtime.logs.log import LOG
from tests import leftovers
from tests.leftovers import nothing_left_by_a_file, nothing_left_by_a_test

leftovers.ENDING_SECONDS = 2.0

warnings.simplefilter("ignore")
LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
VARIABLE = contextvars.ContextVar("podready_left", default=0)
LOOP, KEPT, KEPT_SOCKETS, KEPT_PROCESSES = asyncio.new_event_loop(), socket.socket(), [], []
KEPT.setblocking(False)
LEAVES = {leaves!r}

def module_of(folder):
    module = types.ModuleType("main")
    module.__file__ = f"{{folder}}/main.py"
    return module

@pytest.mark.parametrize("kind", LEAVES)
def test_leaves(kind, tmp_path):
    exec(LEAVES[kind])

def test_leaves_nothing(monkeypatch):
    monkeypatch.setenv("GONE", "1")
    subprocess.run(["true"], check=True)
    thread = threading.Thread(target=time.sleep, args=(0.2,))
    thread.start()

def test_last():
    pass
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What pytest says at the end of each test; of tests that leave something behind."""
    folder = tmp_path_factory.mktemp("leaving")
    (folder / "test_leaving.py").write_text(FILE.format(leaves=LEAVES))
    argv = [sys.executable, "-m", "pytest", str(folder), "--rootdir", str(folder)]
    argv += ["-c", "/dev/null", "-p", "no:cacheprovider", f"--junitxml={folder}/told.xml"]
    subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=100, check=False)
    cases = ET.parse(folder / "told.xml").iter("testcase")
    return {
        re.sub(r"test_leaves\[(.*)\]", r"\1", case.attrib["name"]): "".join(
            error.text or "" for error in case.iter("error")
        )
        for case in cases
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", LEAVES)
def test_a_test_that_leaves_something_behind_fails_by_its_name(
    told: dict[str, str], kind: str
) -> None:
    """And says what it was, and nothing else: what the tests before it have left was put back."""
    assert re.search(rf"test_leaves\[{kind}\] leaves behind:\n  {kind}: .*\Z", told[kind])


def test_a_test_that_leaves_nothing_passes(told: dict[str, str]) -> None:
    """What ends by itself has its time to end."""
    assert told["test_leaves_nothing"] == ""


def test_what_a_file_leaves_behind_is_found_at_its_end(told: dict[str, str]) -> None:
    """With its last test: what no test has left alone, and what could not be put back."""
    assert "test_leaving.py leaves behind:\n  descriptors: " in told["test_last"]
