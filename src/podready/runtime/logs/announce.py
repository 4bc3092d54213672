"""Reports what is wrong with the settings, once, in every place where people look."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from podready.errors import SettingsError
from podready.runtime.logs.log import LOG
from podready.runtime.termination import write_termination_message

if TYPE_CHECKING:
    from collections.abc import Iterator

_GUNICORN_LOAD_ERROR: Final = 4
"""`Arbiter.APP_LOAD_ERROR`: the only kind of code for which gunicorn does not restart a worker."""


def announce(error: SettingsError) -> SettingsError:
    """Write the report and mark the error as reported.

    It goes to the log where podready's logs are configured, else to stderr; and into the
    container's termination message, which `kubectl describe pod` shows. The kubelet makes that
    file in a pod only; elsewhere there is none to write to. In a worker of gunicorn the exit
    code becomes 4: for any other, gunicorn would start workers for ever.
    """
    if LOG.is_muted:
        return error
    if LOG.is_configured:
        LOG.event("CRITICAL", str(error), {})
    else:
        sys.stderr.write(f"{error}\n")
    write_termination_message(str(error))
    error.reported = True
    if _in_gunicorn_worker():
        error.code = _GUNICORN_LOAD_ERROR
    return error


def _in_gunicorn_worker() -> bool:
    """Say whether a worker of gunicorn is importing the app (with --preload its master does)."""
    frame = sys._getframe() if "gunicorn.arbiter" in sys.modules else None
    while frame is not None:
        if frame.f_globals.get("__name__") == "gunicorn.workers.base":
            return True
        frame = frame.f_back
    return False


@contextmanager
def muted() -> Iterator[None]:
    """Announce nothing meanwhile: an app's settings classes are only inspected."""
    before, LOG.is_muted = LOG.is_muted, True
    try:
        yield
    finally:
        LOG.is_muted = before
