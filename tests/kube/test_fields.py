"""Field selectors."""

from __future__ import annotations

import pytest

from podready.kube.fields import parse_field_selector
from podready.kube.gvk import CONFIG_MAP, EVENT, NODE, POD

RUNNING = {
    "metadata": {"name": "a", "namespace": "n"},
    "spec": {"nodeName": "node-1"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("metadata.name=a", True),
        ("metadata.name==a,status.phase!=Failed", True),
        ("spec.nodeName=node-2", False),
        ("status.podIP=", True),
        ("status.phase!=Running", False),
    ],
)
def test_pods_are_selected_by_their_fields(text: str, matches: bool) -> None:
    """Equal and unequal; a missing field is the empty string."""
    assert parse_field_selector(text, POD).matches(RUNNING) is matches


def test_events_are_selected_by_what_they_are_about() -> None:
    """This is how `kubectl describe` finds events."""
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "a"},
        "source": {"component": "kubelet"},
    }
    text = "involvedObject.kind=Pod,involvedObject.name=a,source=kubelet"
    assert parse_field_selector(text, EVENT).matches(event)


def test_booleans_are_words() -> None:
    """spec.unschedulable=true finds cordoned nodes."""
    cordoned = {"metadata": {"name": "n"}, "spec": {"unschedulable": True}}
    assert parse_field_selector("spec.unschedulable=true", NODE).matches(cordoned)


@pytest.mark.parametrize("text", ["status.phase=x", "name", "metadata.name>3"])
def test_fields_a_kind_is_not_selectable_by_are_refused(text: str) -> None:
    """A real API server answers 400 rather than everything."""
    with pytest.raises(ValueError, match=r"not supported|invalid selector"):
        parse_field_selector(text, CONFIG_MAP)
