"""Values to HTTP answers, in the form that the client asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from podready.cluster.apiserver.negotiation import JSON, Form, negotiate
from podready.cluster.apiserver.printers.table import partial, table
from podready.kube.meta import Object, resource_version_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from podready.cluster.client.protocol import ObjectList
    from podready.kube.gvk import Resource
    from podready.kube.status import ApiError


def json_answer(
    value: Any,
    *,
    status: int = 200,
    warnings: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return a JSON answer, with a Warning header for each warning (RFC 7234, code 299)."""
    response = web.Response(
        body=value if isinstance(value, bytes) else orjson.dumps(value),
        status=status,
        headers={"Content-Type": JSON} | dict(headers or {}),
    )
    for warning in warnings:
        escaped = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


def error_answer(error: ApiError) -> web.Response:
    """Return the Status of an error."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return json_answer(error.to_status(), status=error.code, headers=headers)


def form_of(request: web.BaseRequest) -> Form:
    """Return the form of the answer that the request's Accept headers ask for."""
    return negotiate(",".join(request.headers.getall("Accept", [])))


def list_answer(
    request: web.BaseRequest, resource: Resource, found: ObjectList, now: datetime
) -> web.Response:
    """Return a list: plain, as a Table, or as metadata only."""
    form = form_of(request)
    if form is Form.TABLE:
        shown = table(
            resource,
            found.items,
            now=now,
            resource_version=found.resource_version,
            include=request.query.get("includeObject", "Metadata"),
        )
        return json_answer(shown)
    meta = {"resourceVersion": found.resource_version}
    if form in (Form.PARTIAL, Form.PARTIAL_LIST):
        items = [partial(obj) for obj in found.items]
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        return json_answer(kind | {"metadata": meta, "items": items})
    kind = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
    return json_answer(kind | {"metadata": meta, "items": found.items})


def object_answer(
    request: web.BaseRequest,
    resource: Resource,
    obj: Object,
    now: datetime,
    *,
    status: int = 200,
    warnings: Sequence[str] = (),
) -> web.Response:
    """Return one object: plain, as a Table of one row, or its metadata only."""
    form = form_of(request)
    value: Any = obj
    if form is Form.TABLE and obj.get("kind") == resource.kind:
        include = request.query.get("includeObject", "Metadata")
        version = resource_version_of(obj)
        value = table(resource, [obj], now=now, resource_version=version, include=include)
    elif form is Form.PARTIAL:
        value = partial(obj)
    return json_answer(value, status=status, warnings=warnings)
