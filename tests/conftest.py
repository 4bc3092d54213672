"""What holds for every test: nothing is left behind, and no time is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep tests together that share what one of them makes, or that must not meet."""
    from tests.grouping import InGroups

    return InGroups(config, log)


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """Give ports that nobody else gets before the test is over."""
    with ExitStack() as held:
        yield lambda: held.enter_context(HeldPort()).number
