"""Request bodies: JSON or YAML to plain values, with an answer for what is not served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from podready.cluster.apiserver.deletion import DeleteOptions
from podready.cluster.apiserver.parameters import dry_run, number
from podready.cluster.client.protocol import PatchType
from podready.kube.meta import Object, dig
from podready.kube.status import BadRequest, TooLarge, UnsupportedMediaType

if TYPE_CHECKING:
    from aiohttp import web

MAX_BODY = 3 * 1024 * 1024
"""Bytes of a request body, as kube-apiserver's MaxRequestBodyBytes."""

_YAML = ("application/yaml", "application/x-yaml", "text/yaml")
_JSON = ("", "application/json", "text/json", "application/octet-stream")
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_APPLY = "application/apply-patch+yaml"
_PROTOBUF_TEXT = (
    "podready's cluster does not read protobuf bodies yet: `kubectl apply` and `kubectl create -f` "
    "send JSON and work"
)
_APPLY_TEXT = (
    "podready's cluster does not serve server-side apply yet: `kubectl apply` without "
    "--server-side works"
)


async def read_bytes(request: web.BaseRequest) -> bytes:
    """Return the whole body; TooLarge above 3 MiB."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(65536):
        body += chunk
        if len(body) > MAX_BODY:
            raise TooLarge(f"Request entity too large: limit is {MAX_BODY}")
    return bytes(body)


async def read_object(request: web.BaseRequest) -> Object:
    """Return the body as one object; BadRequest when it is none."""
    value = _decoded(await read_bytes(request), media_type(request))
    if not isinstance(value, dict):
        raise BadRequest("the body is not an object")
    return value


async def read_patch(request: web.BaseRequest) -> tuple[Any, PatchType]:
    """Return the patch and its type, which the Content-Type names."""
    media = media_type(request)
    if media == _APPLY:
        raise UnsupportedMediaType(_APPLY_TEXT)
    if media not in set(PatchType):
        known = ", ".join(PatchType)
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            + known
        )
    return _decoded(await read_bytes(request), "application/json"), PatchType(media)


async def read_delete_options(request: web.BaseRequest) -> DeleteOptions:
    """Return the options of a DELETE: from the body where there is one, else from the query."""
    body = await read_bytes(request)
    media = media_type(request)
    value: Any = _decoded(body, media) if body else {}
    options: Object = value if isinstance(value, dict) else {}
    grace = options.get("gracePeriodSeconds")
    return DeleteOptions(
        grace_period_seconds=number(request.query, "gracePeriodSeconds")
        if grace is None
        else grace,
        uid=dig(options, "preconditions", "uid"),
        resource_version=dig(options, "preconditions", "resourceVersion"),
        propagation=options.get("propagationPolicy") or request.query.get("propagationPolicy"),
        dry_run=dry_run([*request.query.getall("dryRun", []), *(options.get("dryRun") or [])]),
    )


def media_type(request: web.BaseRequest) -> str:
    """Return the Content-Type without its parameters, lower case; empty when there is none."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _decoded(body: bytes, media: str) -> Any:
    if media == _PROTOBUF:
        raise UnsupportedMediaType(_PROTOBUF_TEXT)
    if media in _YAML:
        return _yaml(body)
    if media not in _JSON:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml"
        )
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise BadRequest(f"couldn't get the object from the body: {problem}") from None


def _yaml(body: bytes) -> Any:
    from podready.kube.manifest import parse_yaml

    try:
        return parse_yaml(body.decode())
    except ValueError as problem:
        raise BadRequest(f"couldn't get the object from the body: {problem}") from None
