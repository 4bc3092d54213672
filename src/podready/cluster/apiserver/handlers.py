"""HTTP requests to verbs of the registry, and what they return to HTTP answers."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from podready.cluster.apiserver.answers import form_of, json_answer, list_answer, object_answer
from podready.cluster.apiserver.body import read_delete_options, read_object, read_patch
from podready.cluster.apiserver.discovery import AGGREGATED, aggregated, legacy
from podready.cluster.apiserver.field_validation import FieldValidation
from podready.cluster.apiserver.negotiation import Form
from podready.cluster.apiserver.openapi import document, index
from podready.cluster.apiserver.parameters import ListParameters, dry_run
from podready.cluster.apiserver.request_info import RequestInfo, request_info
from podready.cluster.apiserver.subresources.log import PodLogOptions, PodLogs, container_of, log_of
from podready.cluster.apiserver.version import version_document
from podready.cluster.apiserver.watch_response import DEFAULT_TIMEOUT_SECONDS, WatchResponse
from podready.cluster.apiserver.watching import Selection, WatchStream
from podready.cluster.client.protocol import ObjectList
from podready.kube.meta import Object, metadata, name_of, uid_of
from podready.kube.status import BadRequest, NotFound, success

if TYPE_CHECKING:
    from podready.clock import Clock
    from podready.cluster.apiserver.registry import Registry

HEALTH_PATHS = ("/healthz", "/livez", "/readyz")


class Handlers:
    """Everything the API server answers; `watches` are the open ones, for a stop to end."""

    def __init__(self, registry: Registry, pod_logs: PodLogs, clock: Clock) -> None:
        self._registry = registry
        self._pod_logs = pod_logs
        self._clock = clock
        self.watches: set[WatchStream] = set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; ApiError for what cannot be done."""
        path = request.path.rstrip("/") or "/"
        if request.method in ("GET", "HEAD"):
            document_answer = _document(request, path)
            if document_answer is not None:
                return document_answer
        info = request_info(request.method, path)
        if info.subresource == "log":
            return await self._log(request, info)
        verb = getattr(self, f"_{info.verb}")
        answer: web.StreamResponse = await verb(request, info)
        return answer

    # -- verbs ------------------------------------------------------------------------------

    async def _get(self, request: web.BaseRequest, info: RequestInfo) -> web.Response:
        obj = self._registry.get(info.resource, info.namespace, info.name, info.subresource)
        return object_answer(request, info.resource, obj, self._clock.now())

    async def _list(self, request: web.BaseRequest, info: RequestInfo) -> web.StreamResponse:
        wanted = ListParameters.parse(request.query)
        selection = Selection.parse(info.resource, info.namespace, wanted.labels, wanted.fields)
        if wanted.watch:
            return await self._watch(request, info, selection, wanted)
        found = self._registry.list(info.resource, selection)
        return list_answer(request, info.resource, found, self._clock.now())

    async def _watch(
        self,
        request: web.BaseRequest,
        info: RequestInfo,
        selection: Selection,
        wanted: ListParameters,
    ) -> web.StreamResponse:
        stream = self._registry.watch(
            info.resource,
            selection,
            wanted.resource_version,
            initial_events=wanted.initial_events,
            end_bookmark=wanted.initial_events and wanted.bookmarks,
        )
        self.watches.add(stream)
        try:
            timeout = wanted.timeout or DEFAULT_TIMEOUT_SECONDS
            watch = WatchResponse(
                request, info.resource, stream, self._clock, wanted.bookmarks, timeout
            )
            return await watch.send()
        finally:
            self.watches.discard(stream)
            stream.close()

    async def _create(self, request: web.BaseRequest, info: RequestInfo) -> web.Response:
        obj = await read_object(request)
        dry = dry_run(request.query.getall("dryRun", []))
        if info.subresource:
            return self._post_to(info, obj, dry)
        fields = FieldValidation(request.query.get("fieldValidation", ""))
        fields.review(obj)
        stored = self._registry.create(info.resource, info.namespace, obj, dry_run=dry)
        now = self._clock.now()
        return object_answer(
            request, info.resource, stored, now, status=201, warnings=fields.warnings
        )

    def _post_to(self, info: RequestInfo, obj: Object, dry: bool) -> web.Response:
        metadata(obj).setdefault("name", info.name)
        if name_of(obj) != info.name:
            raise BadRequest("the name of the object does not match the name on the URL")
        self._registry.create(
            info.resource, info.namespace, obj, subresource=info.subresource, dry_run=dry
        )
        done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return json_answer(done | {"code": 201}, status=201)

    async def _update(self, request: web.BaseRequest, info: RequestInfo) -> web.Response:
        obj = await read_object(request)
        metadata(obj).setdefault("name", info.name)
        if name_of(obj) != info.name:
            raise BadRequest(
                f"the name of the object ({name_of(obj)}) does not match the name on the URL "
                f"({info.name})"
            )
        fields = FieldValidation(request.query.get("fieldValidation", ""))
        fields.review(obj)
        stored = self._registry.update(
            info.resource,
            info.namespace,
            obj,
            subresource=info.subresource,
            dry_run=dry_run(request.query.getall("dryRun", [])),
        )
        now = self._clock.now()
        return object_answer(request, info.resource, stored, now, warnings=fields.warnings)

    async def _patch(self, request: web.BaseRequest, info: RequestInfo) -> web.Response:
        patch, patch_type = await read_patch(request)
        fields = FieldValidation(request.query.get("fieldValidation", ""))
        stored = self._registry.patch(
            info.resource,
            info.namespace,
            info.name,
            patch,
            patch_type=patch_type,
            subresource=info.subresource,
            dry_run=dry_run(request.query.getall("dryRun", [])),
            review=fields.review,
        )
        now = self._clock.now()
        return object_answer(request, info.resource, stored, now, warnings=fields.warnings)

    async def _delete(self, request: web.BaseRequest, info: RequestInfo) -> web.Response:
        options = await read_delete_options(request)
        last, gone = self._registry.delete(info.resource, info.namespace, info.name, options)
        if gone:
            return json_answer(success(info.resource, info.name, uid_of(last)))
        return object_answer(request, info.resource, last, self._clock.now())

    async def _deletecollection(
        self, request: web.BaseRequest, info: RequestInfo
    ) -> web.StreamResponse:
        options = await read_delete_options(request)
        wanted = ListParameters.parse(request.query)
        selection = Selection.parse(info.resource, info.namespace, wanted.labels, wanted.fields)
        found = self._registry.list(info.resource, selection)
        options = replace(options, uid=None, resource_version=None)
        last = [
            self._registry.delete(
                info.resource, obj["metadata"].get("namespace"), name_of(obj), options
            )[0]
            for obj in found.items
        ]
        listed = ObjectList(last, found.resource_version)
        return list_answer(request, info.resource, listed, self._clock.now())

    async def _log(self, request: web.BaseRequest, info: RequestInfo) -> web.StreamResponse:
        options = PodLogOptions.parse(request.query)
        pod = self._registry.get(info.resource, info.namespace, info.name)
        container = container_of(pod, options)
        pieces = log_of(self._pod_logs, str(info.namespace), info.name, container, options)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        async with aclosing(pieces) as log:
            # The first piece is awaited before the headers, so that a missing log is an error.
            first = await anext(log, b"") if not options.follow else b""
            await response.prepare(request)
            try:
                await response.write(first)
                async for piece in log:
                    await response.write(piece)
                await response.write_eof()
            except ConnectionResetError:
                pass  # the client has seen enough
        return response


def _document(request: web.BaseRequest, path: str) -> web.Response | None:
    """Return what is not about objects: health, version, discovery, OpenAPI."""
    if path in HEALTH_PATHS:
        return web.Response(text="ok")
    if path == "/version":
        return json_answer(version_document())
    if path in ("/api", "/apis") and form_of(request) is Form.DISCOVERY:
        return json_answer(aggregated(path == "/api"), headers={"Content-Type": AGGREGATED})
    if path == "/openapi/v3":
        return json_answer(index())
    if path.startswith("/openapi/"):
        found = document(path.removeprefix("/openapi/v3"))
        if found is None:
            raise NotFound("the server could not find the requested resource")
        return json_answer(found)
    listed = legacy(path)
    return json_answer(listed) if listed is not None else None
