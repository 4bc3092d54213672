"""Label selectors in both of their forms."""

from __future__ import annotations

import pytest

from podready.kube.labels import from_label_selector, from_map, parse_selector, to_text

LABELS = {"app": "web", "tier": "front", "rev": "3"}


@pytest.mark.parametrize(
    "text",
    [
        "", "app=web", "app==web", "app = web", "app!=api", "missing!=x", "app", "!missing",
        "app in (web,api)", "app in (web), tier notin (back)", "missing notin (x)", "rev>2",
        "rev<4", "app=web,tier=front,!gone", "example.com/x!=1",
    ],
)  # fmt: skip
def test_strings_that_select(text: str) -> None:
    """Every operator of a list query."""
    assert parse_selector(text).matches(LABELS)


@pytest.mark.parametrize(
    "text",
    ["app=api", "app!=web", "missing", "!app", "app in (api)", "app notin (web)", "rev>3", "app>1"],
)
def test_strings_that_do_not_select(text: str) -> None:
    """And their opposites."""
    assert not parse_selector(text).matches(LABELS)


@pytest.mark.parametrize("text", ["app in web", "=x", "app=web tier=x", "app in (a", "a,,b"])
def test_strings_that_are_no_selector(text: str) -> None:
    """A bad query is refused, never taken as everything."""
    with pytest.raises(ValueError, match="unable to parse"):
        parse_selector(text)


def test_a_missing_selector_selects_nothing_and_an_empty_one_everything() -> None:
    """A LabelSelector's two special values; a Service's empty map selects nothing."""
    assert not from_label_selector(None).matches(LABELS)
    assert from_label_selector({}).matches(LABELS)
    assert not from_map({}).matches(LABELS)
    assert from_map({"app": "web"}).matches(LABELS)


def test_expressions_and_labels_must_all_hold() -> None:
    """matchLabels and matchExpressions are one conjunction."""
    spec = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["front"]}],
    }
    assert not from_label_selector(spec).matches(LABELS)
    assert from_label_selector(spec).matches({"app": "web"})


def test_a_selector_is_written_as_a_query_reads_it() -> None:
    """/scale's status.selector goes back into list queries."""
    spec = {
        "matchLabels": {"b": "2", "a": "1"},
        "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["y", "x"]},
            {"key": "d", "operator": "DoesNotExist"},
        ],
    }
    text = to_text(from_label_selector(spec))
    assert text == "a=1,b=2,c in (x,y),!d"
    assert to_text(parse_selector(text)) == text
