"""Pods for every framework on every engine; each is gone after its tests, also after a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.frameworks.frameworks import CASE_IDS, CASES, Framework
from tests.frameworks.pod import Pod

StartPod = Callable[..., Pod]


@pytest.fixture(scope="module", params=CASES, ids=CASE_IDS)
def case(request: pytest.FixtureRequest) -> tuple[Framework, str]:
    """One framework on one engine."""
    found: tuple[Framework, str] = request.param
    return found


@pytest.fixture(scope="module")
def framework(case: tuple[Framework, str]) -> Framework:
    """The framework under test."""
    return case[0]


@pytest.fixture(scope="module")
def engine(case: tuple[Framework, str]) -> str:
    """The engine it runs on."""
    return case[1]


@pytest.fixture
def start_pod(framework: Framework, engine: str, tmp_path: Path) -> Iterator[StartPod]:
    """Start the app under `podready run`: arguments are flags, keywords its environment."""
    with ExitStack() as pods:

        def start(*flags: str, **environ: str) -> Pod:
            pod = Pod(framework.target, tmp_path, ("--engine", engine, *flags), environ)
            return pods.enter_context(closing(pod))

        yield start
