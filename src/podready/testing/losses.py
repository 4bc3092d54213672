"""Which requests were lost in a stop, and the sentences that say why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from podready.testing.request_record import RequestRecord

_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownRecord:
    """The stop of one app; times are seconds of time.monotonic()."""

    begun: float
    drain_delay: float
    grace_period: float
    killed: bool  # because it still ran at the end of the grace period
    end: str  # how the process ended, such as "killed by SIGKILL"; "" when it ended well
    cut: Sequence[tuple[str, str]] = ()  # title and place of what the runtime cut at the deadline

    @property
    def must_accept_until(self) -> float:
        """Until then proxies may still send new connections."""
        return self.begun + self.drain_delay


def find_lost(records: Sequence[RequestRecord], stop: ShutdownRecord) -> list[RequestRecord]:
    """Return the requests that failed; one refused after the drain delay came too late."""
    return [each for each in records if each.failure and not _too_late(each, stop)]


def _too_late(record: RequestRecord, stop: ShutdownRecord) -> bool:
    return record.refused and (record.ended or 0.0) >= stop.must_accept_until


def describe_losses(records: Sequence[RequestRecord], stop: ShutdownRecord) -> str:
    """Return a report with one line for each thing that went wrong; "" when nothing did."""
    lost = find_lost(records, stop)
    lines = [f"{each.outgoing.title}, {_sent(each, stop)}: {_why(each, stop)}" for each in lost]
    if len(lines) > _MOST_NAMED:
        lines[_MOST_NAMED:] = [f"and {len(lines) - _MOST_NAMED} more"]
    sent = {each.outgoing.title for each in records}
    lines += [f"{title}: cut at {place}" for title, place in stop.cut if title not in sent]
    if stop.killed:
        lines.append(
            f"the app did not end within its grace period of {stop.grace_period:g} s and was killed"
        )
    elif stop.end:
        lines.append(f"the app was {stop.end}")
    head = f"{len(lost)} of {len(records)} requests were lost:"
    return "\n  ".join([head, *lines]) if lines else ""


def _sent(record: RequestRecord, stop: ShutdownRecord) -> str:
    seconds = record.begun - stop.begun
    return f"sent {abs(seconds):.2f} s {'before' if seconds < 0 else 'after'} SIGTERM"


def _why(record: RequestRecord, stop: ShutdownRecord) -> str:
    reason = record.failure
    if record.ended is not None:
        reason += f" at {record.ended - stop.begun:+.2f} s"
    if record.refused:
        return f"{reason}; the app must accept until {stop.drain_delay:+.2f} s (the drain delay)"
    places = [place for title, place in stop.cut if title == record.outgoing.title]
    if places:
        return f"{reason}; the app had no time left and was at {places[0]}"
    return reason
