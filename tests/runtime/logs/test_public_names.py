"""`podready.logs`, `podready.logs.structlog` and `podready.logs.loguru`: what an app imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

import podready.logs


def ended(code: str) -> int:
    """Run a program in a process of its own and return its exit code."""
    return subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode


@pytest.mark.parametrize("name", podready.logs.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """Each name of `__all__` resolves, and `dir` shows it."""
    assert getattr(podready.logs, name) is not None
    assert name in dir(podready.logs)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As for any module, and the message says whose name is missing."""
    with pytest.raises(AttributeError, match=r"'podready\.logs' has no attribute 'nothing'"):
        _ = podready.logs.nothing


@pytest.mark.parametrize("module", ["podready.runtime.logs", "logging", "structlog", "loguru"])
def test_the_import_alone_loads_nothing(module: str) -> None:
    """A program pays for what it uses: names are resolved on first use."""
    assert ended(f"import sys, podready.logs; sys.exit({module!r} in sys.modules)") == 0


@pytest.mark.slow
@pytest.mark.parametrize("package", ["structlog", "loguru"])
def test_the_integrations_import_the_package_and_not_themselves(package: str) -> None:
    """A module called as the package it integrates must still find that package."""
    pytest.importorskip(package)
    assert ended(f"from podready.logs.{package} import use_{package}; use_{package}()") == 0
