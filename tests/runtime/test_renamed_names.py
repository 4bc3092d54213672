"""Names that podready had once: each ends with one sentence that says the new one."""

from __future__ import annotations

import pytest
from tests.runtime.conftest import StartPod

import podready

RENAMED = {
    "broken": "mark_unhealthy",
    "hook": "on_shutdown",
    "shutdown_notice": "wait_for_shutdown",
    "task": "track",
}


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_says_the_new_one(old: str, new: str) -> None:
    """As an attribute and in `from podready import`; `hasattr` and completion do not see it."""
    sentence = f"^podready.{old} is now called podready.{new}$"
    with pytest.raises(AttributeError, match=sentence):
        getattr(podready, old)
    with pytest.raises(ImportError, match=sentence):
        exec(f"from podready import {old}", {})
    assert not hasattr(podready, old)
    assert old not in dir(podready)
    assert callable(getattr(podready, new))


def test_a_name_that_never_was_is_an_ordinary_error() -> None:
    """Python's own words, for an attribute and for an import."""
    with pytest.raises(AttributeError, match="module 'podready' has no attribute 'hooks'"):
        podready.hooks  # noqa: B018 - the access is the test
    with pytest.raises(ImportError, match="cannot import name 'hooks'"):
        exec("from podready import hooks", {})


@pytest.mark.parametrize(
    "source",
    [
        "import podready\n@podready.hook('close')\ndef close(): ...\n",
        "from podready import hook\n@hook('close')\ndef close(): ...\n",
    ],
)
def test_an_app_that_uses_one_does_not_start(start_pod: StartPod, source: str) -> None:
    """Exit code 3, and the sentence in the last line of the log."""
    pod = start_pod(source)
    assert pod.end() == 3
    assert "podready.hook is now called podready.on_shutdown" in pod.log[-1]["message"]
