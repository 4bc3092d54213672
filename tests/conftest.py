"""What holds for every test: nothing is left behind, and no time is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import hypothesis
import pytest
from tests.leftovers import nothing_left_by_a_file, nothing_left_by_a_test
from tests.ports import HeldPort

__all__ = ["nothing_left_by_a_file", "nothing_left_by_a_test"]

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "podready", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("podready")


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """Give ports that nobody else gets before the test is over."""
    with ExitStack() as held:
        yield lambda: held.enter_context(HeldPort()).number
