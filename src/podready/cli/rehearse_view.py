"""How a rehearsal looks while it runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from podready.cli.console import complain, say
from podready.rehearse.rehearsal import Snapshot

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PLAIN_EVERY: Final = 5.0
"""Seconds between two plain lines of counts: enough to see life, few enough for a CI log."""


class ProgressView(Protocol):
    """What the command shows; the rehearsal's ProgressListener."""

    def log(self, line: str) -> None:
        """Show one line that stays."""

    def show(self, snapshot: Snapshot) -> None:
        """Show the present counts."""


class PlainView:
    """Lines only: for CI, pipes and files."""

    def __init__(self, *, to_stderr: bool = False) -> None:
        self._print = complain if to_stderr else say
        self._begun = time.monotonic()
        self._last = 0.0

    def log(self, line: str) -> None:
        """Print the line behind the seconds since the start."""
        self._print(f"{time.monotonic() - self._begun:6.1f} s  {line}")

    def show(self, snapshot: Snapshot) -> None:
        """Print the counts from time to time."""
        now = time.monotonic()
        if now - self._last >= PLAIN_EVERY and snapshot.sent:
            self._last = now
            self.log(f"  {_counts(snapshot)} · {snapshot.pods}")


class LiveView:
    """A status line that changes in place under the lines that stay."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live
        from rich.spinner import Spinner

        self._console = console
        self._snapshot: Snapshot | None = None
        self._waiting = "starting"
        self._begun = time.monotonic()
        self._spinner = Spinner("dots")  # one for all the time: a new one would not move
        self.live = Live(
            console=console, get_renderable=self._render, refresh_per_second=5, transient=True
        )

    def log(self, line: str) -> None:
        """Print the line above the status line."""
        self._waiting = line
        self._snapshot = None
        self._console.print(f"[dim]{self._seconds()}[/dim]  {_escaped(line)}", highlight=False)

    def show(self, snapshot: Snapshot) -> None:
        """Keep the counts for the next refresh."""
        self._snapshot = snapshot

    def _render(self) -> RenderableType:
        self._spinner.update(text=self._status())
        return self._spinner

    def _status(self) -> str:
        now = self._snapshot
        if now is None:
            return f"{self._seconds()}  {_escaped(self._waiting)}"
        colour = "red" if now.dropped else "green"
        return (
            f"{self._seconds()}  [bold]{_escaped(now.scenario)}[/bold]  {now.sent:,} sent  "
            f"[{colour}]{now.dropped:,} dropped[/{colour}]  p50 {now.p50_ms:.1f} ms  "
            f"p99 {now.p99_ms:.1f} ms  [dim]{_escaped(now.pods)}[/dim]"
        )

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._begun:6.1f} s"


@contextmanager
def open_view(*, to_stderr: bool) -> Iterator[ProgressView]:
    """Give the view that fits where output goes; CI=true always gets plain lines."""
    stream = sys.stderr if to_stderr else sys.stdout
    if not stream.isatty() or os.environ.get("CI", "").lower() in ("true", "1"):
        yield PlainView(to_stderr=to_stderr)
        return
    from rich.console import Console

    view = LiveView(Console(stderr=to_stderr))
    with view.live:
        yield view


def _counts(snapshot: Snapshot) -> str:
    return (
        f"{snapshot.sent:,} sent, {snapshot.dropped:,} dropped, "
        f"p50 {snapshot.p50_ms:.1f} ms, p99 {snapshot.p99_ms:.1f} ms"
    )


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
