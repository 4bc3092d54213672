"""The app's own prometheus_client metrics on the same page, when it has any.

In the worker the registry is rendered on a thread of its own; in the supervisor the texts of all
workers are put together, each family once and without those that the page has already.
"""

from __future__ import annotations

import re
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from podready.runtime.metrics.shared import TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

WORKER_LABEL: Final = "podready_worker"
"""Tells the workers' series apart when there is more than one worker."""


def has_registry() -> bool:
    """Return whether the app (or a library of its) has imported prometheus_client."""
    return "prometheus_client" in sys.modules


def registry_text(*, openmetrics: bool) -> bytes:
    """Render the app's default registry; it may take long and belongs on a thread."""
    from prometheus_client import REGISTRY, exposition
    from prometheus_client.openmetrics import exposition as openmetrics_exposition

    module: Any = openmetrics_exposition if openmetrics else exposition
    text: bytes = module.generate_latest(REGISTRY)
    return text


def families_of(text: str) -> dict[str, tuple[list[str], list[str]]]:
    """Return each family's head lines and samples, by the name in its TYPE line."""
    families: dict[str, tuple[list[str], list[str]]] = {}
    samples: list[str] = []
    for line in text.split("\n"):
        if not line.startswith("#"):
            samples.append(line)
        elif line.startswith(("# HELP ", "# TYPE ", "# UNIT ")):
            head, samples = families.setdefault(line.split(" ", 3)[2], ([], []))
            head.append(line)
    return families


def merge_texts(texts: Mapping[str, str], known: Collection[str], *, label: bool) -> str:
    """Return one text from those of the workers, by the name each has in the label.

    Families whose names are in `known` are left out. With `label` each sample gets a label with the
    name of its worker; without it there must be one text only.
    """
    merged: dict[str, tuple[list[str], list[str]]] = {}
    for worker, text in texts.items():
        for name, (head, samples) in families_of(text).items():
            if name in known:
                continue
            _, samples_of_all = merged.setdefault(name, (head, []))
            samples_of_all += _labelled(samples, worker) if label else samples
    lines = [line for head, samples in merged.values() for line in (*head, *samples)]
    return "".join(f"{line}\n" for line in lines if line)


def _labelled(samples: Iterable[str], worker: str) -> list[str]:
    added = f'{WORKER_LABEL}="{worker}"'

    def label(sample: str) -> str:
        name = _NAME.match(sample)
        if name is None:
            return sample
        rest = sample[name.end() :]
        if not rest.startswith("{"):
            return f"{name[0]}{{{added}}}{rest}"
        comma = "" if rest.startswith("{}") else ","
        return f"{name[0]}{{{added}{comma}{rest[1:]}"

    return [label(sample) for sample in samples]


class RegistryRenderer:
    """Renders the registry for a scrape, on a thread of its own.

    `write` stores a text for the page and returns its bytes. Then `report` is called with the bytes
    (0 when there is no text), whether it is OpenMetrics, and the id of the request; `later` runs
    this call on the right thread. While an earlier rendering hangs there is no second one, because
    a thread cannot be ended.
    """

    def __init__(
        self,
        write: Callable[[bytes], int],
        later: Callable[[Callable[[], None]], object],
        report: Callable[[int, bool, int], None],
    ) -> None:
        self._write = write
        self._later = later
        self._report = report
        self._busy = False

    def begin(self, openmetrics: bool, request_id: int) -> None:
        """Begin a rendering, unless one is running."""
        if self._busy:
            return
        self._busy = True
        threading.Thread(
            target=self._render,
            args=(openmetrics, request_id),
            name="podready-registry",
            daemon=True,
        ).start()

    def _render(self, openmetrics: bool, request_id: int) -> None:
        def done(size: int) -> None:
            try:
                self._later(lambda: self._done(size, openmetrics, request_id))
            except RuntimeError:  # the event loop has ended meanwhile
                pass

        render_within(TEXT_BYTES, openmetrics, self._write, done)

    def _done(self, size: int, openmetrics: bool, request_id: int) -> None:
        self._busy = False
        self._report(size, openmetrics, request_id)


def render_within(
    limit: int, openmetrics: bool, write: Callable[[bytes], int], done: Callable[[int], None]
) -> None:
    """Render and write the registry, then call `done` with the bytes; 0 when it failed.

    A text longer than `limit` bytes is not written at all: half a page would be no page.
    """
    try:
        text = registry_text(openmetrics=openmetrics)
    except Exception:  # a collector of the app's may raise anything
        import logging

        logging.getLogger("podready.metrics").exception("the app's metrics could not be rendered")
        text = b""
    done(write(text) if len(text) <= limit else 0)
