"""JSON patch and JSON merge patch."""

from __future__ import annotations

from typing import Any

import pytest

from podready.kube.patch import PatchError, PatchTestError, json_patch, merge_patch


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": "foo"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_merge_patches_of_rfc_7396(original: Any, patch: Any, result: Any) -> None:
    """The RFC's own table of examples (appendix A)."""
    assert merge_patch(original, patch) == result


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        ([{"op": "add", "path": "/b", "value": 2}], {"a": [1, 2], "b": 2}),
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3]}),
        ([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1, 2]}),
        ([{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ([{"op": "replace", "path": "/a/1", "value": 5}], {"a": [1, 5]}),
        ([{"op": "copy", "from": "/a/0", "path": "/c"}], {"a": [1, 2], "c": 1}),
        ([{"op": "move", "from": "/a", "path": "/d"}], {"d": [1, 2]}),
        ([{"op": "add", "path": "/x~1y~0z", "value": 1}], {"a": [1, 2], "x/y~z": 1}),
        ([{"op": "replace", "path": "", "value": {}}], {}),
        ([{"op": "test", "path": "/a/0", "value": 1}], {"a": [1, 2]}),
    ],
)
def test_json_patch_operations(operations: list[Any], result: Any) -> None:
    """Each operation of RFC 6902, escapes included."""
    original = {"a": [1, 2]}
    assert json_patch(original, operations) == result
    assert original == {"a": [1, 2]}


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "remove", "path": "/b"}], [{"op": "replace", "path": "/b", "value": 1}],
        [{"op": "add", "path": "/a/7", "value": 1}], [{"op": "nap", "path": "/a"}],
        [{"op": "add", "path": "/a"}], [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": "/a/0/x", "value": 1}], {"op": "add"},
    ],
)  # fmt: skip
def test_json_patches_that_do_not_fit_are_refused(operations: Any) -> None:
    """A path into nothing, an unknown operation, a missing member."""
    with pytest.raises(PatchError):
        json_patch({"a": [1, 2]}, operations)


def test_a_failed_test_says_so() -> None:
    """The API server answers it with another code than a malformed patch."""
    with pytest.raises(PatchTestError, match="/a"):
        json_patch({"a": 1}, [{"op": "test", "path": "/a", "value": 2}])
