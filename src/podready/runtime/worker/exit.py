"""The end of a worker process: all that Python promises to run at its end, and no more.

Finalising the interpreter takes a FastAPI worker a third of a second, for nothing: the memory goes
back to the kernel in any case. See docs/decisions/0011-leave-without-finalising.md.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
import threading
from typing import NoReturn

_BUFFERED = frozenset({io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom})


def end_process(code: int) -> NoReturn:
    """Join threads, run atexit's functions, flush open files, then leave with `code`.

    The order is Py_FinalizeEx's. What hangs here would hang there too; the supervisor kills a
    worker that is not gone a second after it said that it is done, or three when lines of its log
    still waited then.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # non-daemon threads, executors
        atexit._run_exitfuncs()
        _flush_files()
    finally:
        os._exit(code)


def _flush_files() -> None:
    """Write out what the app has left in the buffers of files that it never closed."""
    gc.unfreeze()  # the worker froze all that was made before it listened, files too
    # By exact type: to ask a lazy object of some framework for its class would wake it.
    files = [each for each in gc.get_objects() if type(each) in _BUFFERED]
    for file in (sys.stdout, sys.stderr, *files):
        try:
            if file is not None and not file.closed:
                file.flush()
        except Exception:  # noqa: BLE001 - its reader is gone, or it is read-only
            pass
