"""Errors and their Status objects."""

# ruff: noqa: E501 - one case a line reads best

from __future__ import annotations

import pytest
from tests.cluster.client.status import from_status

from podready.kube.gvk import DEPLOYMENT, POD
from podready.kube.status import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    InternalError,
    Invalid,
    NotFound,
    StatusCause,
    TooManyRequests,
)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotFound.of(DEPLOYMENT, "x"), 'deployments.apps "x" not found'),
        (AlreadyExists.of(POD, "x"), 'pods "x" already exists'),
        (Forbidden.of(POD, "x", "no"), 'pods "x" is forbidden: no'),
        (Conflict.of(DEPLOYMENT, "x", "why"), 'Operation cannot be fulfilled on deployments.apps "x": why'),
        (Invalid.of(DEPLOYMENT, "x", [StatusCause("R", "Required value", "spec.a")]),
         'Deployment.apps "x" is invalid: spec.a: Required value'),
        (Invalid.of(POD, "x", [StatusCause("R", "m", "a"), StatusCause("R", "n", "b")]),
         'Pod "x" is invalid: [a: m, b: n]'),
    ],
)  # fmt: skip
def test_errors_speak_as_kubernetes_does(error: ApiError, text: str) -> None:
    """kubectl prints these sentences as they are."""
    assert str(error) == text


@pytest.mark.parametrize(
    "error",
    [
        NotFound.of(DEPLOYMENT, "x"), Gone("old"), TooManyRequests("later", retry_after=5),
        Invalid.of(POD, "x", [StatusCause("FieldValueInvalid", "bad", "spec.a")]), InternalError("oops"),
    ],
)  # fmt: skip
def test_a_status_goes_both_ways(error: ApiError) -> None:
    """What one side raises, the other side raises again."""
    again = from_status(error.to_status())
    assert type(again) is type(error)
    assert again.to_status() == error.to_status()


def test_a_status_is_read_by_its_reason_first_and_its_code_second() -> None:
    """409 is two reasons; an unknown reason falls back to the code."""
    assert isinstance(from_status({"reason": "AlreadyExists", "code": 409}), AlreadyExists)
    assert isinstance(from_status({"reason": "Odd", "code": 404}), NotFound)
    assert isinstance(from_status({}, 418), InternalError)
