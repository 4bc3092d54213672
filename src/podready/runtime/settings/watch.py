"""Reading mounted files again when they change, as ConfigMap and Secret volumes do."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from podready.runtime.settings.environment import FILE_SUFFIX
from podready.runtime.settings.report import render_report
from podready.runtime.settings.sources.directory import files_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from podready.runtime.settings.load import Schema

_log = logging.getLogger("podready.settings")

T = TypeVar("T")
Stamp = tuple[Any, ...]


class Watch(Generic[T]):
    """Settings that follow their files; `current` is the last good value.

    Files are looked at, not subscribed to: the kubelet swaps a link (`..data`) within a minute
    or two of the change anyway, and a look works on every file system.
    """

    def __init__(
        self,
        schema: Schema,
        current: T,
        callback: Callable[[T], object],
        environ: Mapping[str, str],
        every: float,
    ) -> None:
        self.current = current
        self._schema, self._callback = schema, callback
        self._environ, self._every = dict(environ), every
        self._stamp: Stamp | None = None  # the files may have changed since `current` was read
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="podready-settings-watch", daemon=True
        )

    def start(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Look no more; waits for a callback that is under way, unless it is the caller."""
        self._stop.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def poll(self) -> bool:
        """Look once; load again if a file changed, and say whether the settings are new ones."""
        stamp = self._look()
        if stamp == self._stamp or (not stamp and self._stamp is None):
            return False
        self._stamp = stamp  # taken before the files are read: a later change is seen next time
        reading = self._schema.read(self._environ, allow_env_file=True)
        if self._look() != stamp:
            return False  # they changed meanwhile: some are old, some are new
        if reading.problems:
            report = render_report(reading.problems, self._schema.options.prefix)
            _log.error("changed settings are not used\n%s", report)
            return False
        if reading.value == self.current:
            return False
        self.current = reading.value
        return self._notify()

    def _notify(self) -> bool:
        try:
            self._callback(self.current)
        except Exception:  # noqa: BLE001 - the app's own code; what it raises is logged
            _log.exception("the callback for changed settings failed")
        return True

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.poll()
            except Exception:  # noqa: BLE001 - a thread that ends would never look again
                _log.exception("settings could not be read again")

    def _look(self) -> Stamp:
        """Return what would be another if a file had been replaced or rewritten."""
        paths = [self._environ.get(v.name + FILE_SUFFIX) for v in self._schema.variables()]
        for root in self._schema.options.directories:
            paths += files_in(root)
        return tuple((path, *_identity(path)) for path in paths if path)


def _identity(path: str) -> Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116 - the target's, through all links
    except (OSError, ValueError) as error:
        return (type(error).__name__,)
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
