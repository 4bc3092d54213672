"""Paths to resources and verbs."""

from __future__ import annotations

import pytest

from podready.cluster.apiserver.request_info import request_info
from podready.kube.gvk import DEPLOYMENT, ENDPOINT_SLICE, NAMESPACE, NODE, POD
from podready.kube.status import MethodNotAllowed, NotFound


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/pods", (POD, None, "", "", "list")),
        ("GET", "/api/v1/namespaces/n/pods", (POD, "n", "", "", "list")),
        ("POST", "/api/v1/namespaces/n/pods", (POD, "n", "", "", "create")),
        ("GET", "/api/v1/namespaces/n/pods/p", (POD, "n", "p", "", "get")),
        ("PUT", "/api/v1/namespaces/n/pods/p/status", (POD, "n", "p", "status", "update")),
        ("GET", "/api/v1/namespaces/n/pods/p/log", (POD, "n", "p", "log", "get")),
        ("POST", "/api/v1/namespaces/n/pods/p/binding", (POD, "n", "p", "binding", "create")),
        ("GET", "/api/v1/namespaces", (NAMESPACE, None, "", "", "list")),
        ("DELETE", "/api/v1/namespaces/n", (NAMESPACE, None, "n", "", "delete")),
        ("PUT", "/api/v1/namespaces/n/finalize", (NAMESPACE, None, "n", "finalize", "update")),
        ("PATCH", "/api/v1/nodes/x", (NODE, None, "x", "", "patch")),
        ("DELETE", "/apis/apps/v1/namespaces/n/deployments",
         (DEPLOYMENT, "n", "", "", "deletecollection")),
        ("PATCH", "/apis/apps/v1/namespaces/n/deployments/d/scale",
         (DEPLOYMENT, "n", "d", "scale", "patch")),
        ("GET", "/apis/discovery.k8s.io/v1/endpointslices", (ENDPOINT_SLICE, None, "", "", "list")),
    ],
)  # fmt: skip
def test_paths(method: str, path: str, expected: tuple[object, ...]) -> None:
    """Core and named groups, cluster-wide and namespaced, with subresources."""
    info = request_info(method, path)
    assert (info.resource, info.namespace, info.name, info.subresource, info.verb) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/", "/api", "/api/v1", "/api/v2/pods", "/apis/batch/v1/jobs", "/api/v1/namespaces/n/nodes",
        "/api/v1/pods/p", "/api/v1/namespaces/n/pods/p/nap", "/api/v1/namespaces/n/pods/p/status/x",
    ],
)  # fmt: skip
def test_paths_to_nothing(path: str) -> None:
    """404, as for any resource a server does not have."""
    with pytest.raises(NotFound, match="could not find"):
        request_info("GET", path)


def test_what_is_not_served_yet_is_named() -> None:
    """`kubectl exec` gets a sentence, not a riddle."""
    with pytest.raises(NotFound, match="pods/exec is not served by podready"):
        request_info("POST", "/api/v1/namespaces/n/pods/p/exec")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/namespaces/n/pods/p"), ("POST", "/api/v1/pods"),
        ("DELETE", "/api/v1/namespaces/n/pods/p/status"), ("PUT", "/api/v1/namespaces/n/pods"),
    ],
)  # fmt: skip
def test_verbs_that_a_path_does_not_have(method: str, path: str) -> None:
    """405."""
    with pytest.raises(MethodNotAllowed):
        request_info(method, path)
