"""The public names of settings."""

from __future__ import annotations

import subprocess
import sys

import pytest

import podready
import podready.settings


def test_every_public_name_resolves() -> None:
    """What `__all__` promises can be imported, and nothing else is listed."""
    for name in podready.settings.__all__:
        assert getattr(podready.settings, name).__name__ == name
    assert dir(podready.settings) == podready.settings.__all__


def test_names_that_podready_has_too_are_the_same() -> None:
    """One class each, whichever way it is imported."""
    assert podready.settings.Settings is podready.Settings
    assert podready.settings.Secret is podready.Secret
    assert podready.settings.var is podready.var


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match=r"'podready\.settings' has no attribute 'Setings'"):
        _ = podready.settings.Setings


def test_importing_it_loads_nothing_of_the_runtime() -> None:
    """A process pays for the names that it uses."""
    code = (
        "import sys, podready.settings\n"
        "sys.exit(str([name for name in sys.modules if name.startswith('podready.runtime')]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stderr.strip() == "[]"
