"""The end of a worker: what Python promises to run at its end still runs, and the code is right."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

_APP = """
import atexit, sys, threading, time, weakref

class Held: pass

held = Held()
out = open(sys.argv[1], "w")
out.write("file;")
finaliser = weakref.finalize(held, lambda: (out.write("finalize;"), None))
atexit.register(lambda: out.write("atexit;"))
threading.Thread(target=lambda: (time.sleep(0.05), out.write("thread;"))).start()
print("said", end="")

class Slow:
    def __del__(self):
        out.write("finalised by the interpreter;")

slow = Slow()
from podready.runtime.worker.exit import end_process
end_process(int(sys.argv[2]))
"""


def _end(code: int, app: str = _APP) -> tuple[int, str, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out")
        ended = subprocess.run(
            [sys.executable, "-c", app, str(path), str(code)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return ended.returncode, ended.stdout, path.read_text()


def test_threads_atexit_and_open_files_are_finished() -> None:
    """Threads are joined, then atexit functions run, and nothing buffered is lost."""
    code, said, written = _end(0)
    assert (code, said) == (0, "said")
    assert written == "file;thread;atexit;finalize;"


def test_exit_code_is_kept() -> None:
    """The worker's code reaches the supervisor, and an atexit function that fails changes none."""
    failing = _APP.replace('print("said"', 'atexit.register(lambda: 1 / 0); print("said"')
    code, _, written = _end(70, failing)
    assert code == 70
    assert written.endswith("finalize;")
