"""Objects written as YAML are read back as the same objects, by YAML 1.1 too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.kube.manifest import dump_manifest, parse_yaml

yaml: Any = pytest.importorskip("yaml")

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"]))


@pytest.mark.slow
@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), texts))
def test_every_configmap_reads_back(data: dict[str, str]) -> None:
    """By our reader and by PyYAML, which reads YAML 1.1 as kubectl does."""
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    text = dump_manifest(obj)
    assert parse_yaml(text) == obj
    assert yaml.safe_load(text) == obj


@pytest.mark.parametrize(
    "word", ["yes", "Off", "n", "null", "1e3", "0x1", "1:30", "2026-01-31", ""]
)
def test_what_yaml_would_take_for_something_else_is_quoted(word: str) -> None:
    """A ConfigMap's values are texts."""
    assert yaml.safe_load(dump_manifest({"a": word})) == {"a": word}


def test_notes_stand_above_their_fields() -> None:
    """As comments, one level in."""
    text = dump_manifest({"data": {"A": "x", "B": "z"}}, {("data", "B"): "second"})
    assert text == "data:\n  A: x\n  # second\n  B: z\n"
