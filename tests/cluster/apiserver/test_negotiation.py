"""Accept headers to forms."""

from __future__ import annotations

import pytest

from podready.cluster.apiserver.negotiation import Form, negotiate
from podready.kube.status import NotAcceptable

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.OBJECT),
        ("*/*", Form.OBJECT),
        ("application/json, */*", Form.OBJECT),
        ("application/vnd.kubernetes.protobuf,application/json", Form.OBJECT),
        (TABLE, Form.TABLE),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Form.OBJECT),
        (DISCOVERY, Form.DISCOVERY),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Form.PARTIAL_LIST),
    ],
)
def test_forms(accept: str, form: Form) -> None:
    """The first range that can be served wins."""
    assert negotiate(accept) is form


def test_clients_that_take_no_json_are_told() -> None:
    """406, never a body the client cannot read."""
    with pytest.raises(NotAcceptable):
        negotiate("application/vnd.kubernetes.protobuf")
