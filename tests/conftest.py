"""What holds for every test: nothing is left behind, and no time is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from tests.leftovers import nothing_left_by_a_file, nothing_left_by_a_test
from tests.ports import HeldPort

__all__ = ["nothing_left_by_a_file", "nothing_left_by_a_test"]

TESTS = Path(__file__).parent

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "podready", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("podready")


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests in one process that share what one of them makes, or that must not meet."""
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str:
    folder = item.path.relative_to(TESTS).parts[0]
    if folder == "e2e":  # rehearsals measure: one at a time
        return "rehearsals"
    if folder == "frameworks" and isinstance(item, pytest.Function):  # a pod for each case and file
        case = item.callspec.params.get("case") if hasattr(item, "callspec") else ""
        return f"{item.path.stem} {case}"
    return ""


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """Give ports that nobody else gets before the test is over."""
    with ExitStack() as held:
        yield lambda: held.enter_context(HeldPort()).number
