"""The closed-form loss model: what a rollout must cost, and how sure "0 dropped" is.

A proxy goes on sending new connections to a terminating pod for D seconds; the pod goes on
accepting for P seconds. Each pod gets its share of the requests and all pods are replaced, so the
number of pods cancels:

    requests lost per rollout = requests a second x E[(D - P)+]

The formula was checked against five million sampled windows and real rollouts within 6 %
(docs/explanation/how-a-pod-dies.md). Seconds everywhere.
"""

from __future__ import annotations

import math
from typing import Final

_STEPS: Final = 60


def lost_per_rollout(rate: float, gap: float, share_new: float = 1.0) -> float:
    """Return the requests lost in one full rollout; `share_new` of them open a connection."""
    return rate * share_new * gap


def gap_bound(rate: float, rollouts: float, dropped: int = 0) -> float:
    """Return the gap (seconds) that `dropped` losses in so many full rollouts rule out, 95 % sure.

    With none lost it is the rule of three: 3 / (rate x rollouts). Assumes independent losses.
    inf when nothing was rolled out.
    """
    tried = rate * rollouts
    return poisson_upper(dropped) / tried if tried > 0 else math.inf


def poisson_upper(count: int) -> float:
    """Return the mean for which seeing `count` or fewer has a probability of 5 %."""
    low, high = float(count), count + 10.0 + 5.0 * math.sqrt(count + 1.0)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _poisson_cdf(count, middle) > 0.05:
            low = middle
        else:
            high = middle
    return high


def _poisson_cdf(count: int, mean: float) -> float:
    logs = (k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(count + 1))
    return sum(math.exp(log) for log in logs)
