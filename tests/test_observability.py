"""The dashboard, the rules and the reference name only metrics and labels that the page has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from podready.runtime.metrics.families import FAMILIES

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "observability"
OURS = re.compile(r"\b(?:http_server|podready|process|python_gc)_[a-z0-9_]+\b")
SELECTOR = re.compile(r"\b([a-z][a-z0-9_:]*)\{([^}]*)\}")
GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
TARGET_LABELS = {"namespace", "job", "pod"}


def on_the_page() -> dict[str, set[str]]:
    """Return the labels of every sample name that a page can have."""
    names: dict[str, set[str]] = {}
    for family in FAMILIES:
        if family.kind == "histogram":
            names[f"{family.name}_bucket"] = {*family.labels, "le"}
            names[f"{family.name}_count"] = names[f"{family.name}_sum"] = set(family.labels)
        else:
            names[family.name] = set(family.labels)
    return names


def dashboard() -> Any:
    """Return the dashboard."""
    return json.loads((FOLDER / "grafana-dashboard.json").read_text())


def rules() -> list[dict[str, Any]]:
    """Return all rules."""
    loaded = YAML(typ="safe").load(FOLDER / "prometheus-rule.yaml")
    return [rule for group in loaded["spec"]["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    """Return every PromQL expression of both files."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for rule in rules():
        yield rule["expr"]


@pytest.mark.slow
@pytest.mark.parametrize("expression", list(expressions()))
def test_every_metric_and_label_of_an_expression_exists(expression: str) -> None:
    """A metric that is renamed turns its panel and its alert red here, not silent in production."""
    page = on_the_page()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    bare = re.sub(r"\{[^}]*\}|\bjob:[a-z0-9_:]+", "", expression)
    names = set(OURS.findall(bare))
    assert names <= set(page)
    assert names or any(name in expression for name in recorded)
    for name, matchers in SELECTOR.findall(expression):
        labels = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", matchers))
        assert labels <= page[name] | TARGET_LABELS, name
    has = TARGET_LABELS.union(*(page[name] for name in names))
    for group in GROUPING.findall(expression):
        assert {label.strip() for label in group.split(",")} <= has
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing)


def test_counters_are_rates_and_histograms_have_their_bound() -> None:
    """The usual mistakes: a counter's plain value, a quantile without `le`."""
    counters = {family.name for family in FAMILIES if family.kind == "counter"}
    shown_as_they_are = {"podready_cancelled_total"}  # a pod's own few, which end with the pod
    for expression in expressions():
        for name in OURS.findall(expression):
            if name in counters - shown_as_they_are:
                assert re.search(rf"(rate|increase)\({name}(\{{[^}}]*\}})?\[", expression)
        if "histogram_quantile" in expression:
            assert re.search(r"by \([^)]*\ble\b", expression)


def test_alerts_say_what_is_wrong_and_what_to_do() -> None:
    """Each has a severity, a summary and a description."""
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
    for rule in alerts:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_dashboard_can_be_imported() -> None:
    """Panels have ids of their own, do not lie on one another, and ask the chosen data source."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
    variables = {each["name"] for each in dashboard()["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(panels)))
    assert used <= variables


def test_the_reference_is_the_table_of_the_code() -> None:
    """docs/reference/metrics.md is written by scripts/generate_metrics.py."""
    check = [sys.executable, str(ROOT / "scripts" / "generate_metrics.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
