"""Which requests were lost in a stop, and the sentences that say why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from podready.testing.exchange import Exchange

_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
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


def find_lost(exchanges: Sequence[Exchange], stop: Stop) -> list[Exchange]:
    """Return the requests that failed; one refused after the drain delay came too late."""
    return [each for each in exchanges if each.failure and not _too_late(each, stop)]


def _too_late(exchange: Exchange, stop: Stop) -> bool:
    return exchange.refused and (exchange.ended or 0.0) >= stop.must_accept_until


def describe_losses(exchanges: Sequence[Exchange], stop: Stop) -> str:
    """Return a report with one line for each thing that went wrong; "" when nothing did."""
    lost = find_lost(exchanges, stop)
    lines = [f"{each.sending.title}, {_sent(each, stop)}: {_why(each, stop)}" for each in lost]
    if len(lines) > _MOST_NAMED:
        lines[_MOST_NAMED:] = [f"and {len(lines) - _MOST_NAMED} more"]
    sent = {each.sending.title for each in exchanges}
    lines += [f"{title}: cut at {place}" for title, place in stop.cut if title not in sent]
    if stop.killed:
        lines.append(
            f"the app did not end within its grace period of {stop.grace_period:g} s and was killed"
        )
    elif stop.end:
        lines.append(f"the app was {stop.end}")
    head = f"{len(lost)} of {len(exchanges)} requests were lost:"
    return "\n  ".join([head, *lines]) if lines else ""


def _sent(exchange: Exchange, stop: Stop) -> str:
    seconds = exchange.begun - stop.begun
    return f"sent {abs(seconds):.2f} s {'before' if seconds < 0 else 'after'} SIGTERM"


def _why(exchange: Exchange, stop: Stop) -> str:
    reason = exchange.failure
    if exchange.ended is not None:
        reason += f" at {exchange.ended - stop.begun:+.2f} s"
    if exchange.refused:
        return f"{reason}; the app must accept until {stop.drain_delay:+.2f} s (the drain delay)"
    places = [place for title, place in stop.cut if title == exchange.sending.title]
    if places:
        return f"{reason}; the app had no time left and was at {places[0]}"
    return reason
