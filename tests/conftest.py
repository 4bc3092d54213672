"""What holds for every test: nothing is left behind, and no time is measured."""

from __future__ import annotations

import hypothesis
from tests.leftovers import nothing_left_by_a_file, nothing_left_by_a_test

__all__ = ["nothing_left_by_a_file", "nothing_left_by_a_test"]

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "podready", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("podready")
