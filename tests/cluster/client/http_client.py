"""The client for any Kubernetes API server, over HTTP and by kubeconfig."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson
from tests.cluster.client.kubeconfig import KubeConfig
from tests.cluster.client.status import from_status

from podready.cluster.client.protocol import ObjectList, PatchType, WatchEvent
from podready.kube.meta import Object, name_of
from podready.kube.status import ApiError, Timeout, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from podready.kube.gvk import Resource

_ANSWER_SECONDS = 30.0
"""How long one answer may take; watches have no limit but the server's own."""

_CONNECT_SECONDS = 5.0
_WATCH_SECONDS = 300
"""How long a watch asks to last; its end is normal, the caller goes on from the last version."""


class HttpClient:
    """`Client` over HTTP. Use it as `async with HttpClient(config) as client`."""

    def __init__(self, config: KubeConfig) -> None:
        self._config = config
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        """Return a client for the current context of a kubeconfig."""
        return cls(KubeConfig.read(path))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # -- the verbs of Client ----------------------------------------------------------------

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """Return the object, or raise NotFound."""
        return await self._call("GET", resource.path(namespace, name))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> ObjectList:
        """Return all matching objects and the list's resourceVersion."""
        query = _selectors(label_selector, field_selector)
        listed = await self._call("GET", resource.path(namespace), query=query)
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        # Items of a list carry no kind on a real server; a Client's objects always do.
        items = [kind | item for item in listed.get("items") or ()]
        return ObjectList(items, str(listed["metadata"]["resourceVersion"]))

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Yield what happened strictly after `resource_version`; raise Gone when that is too old.

        Ends without an error when the server ends the watch: go on from the last version seen.
        """
        query = _selectors(label_selector, field_selector) | {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        no_limit = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        path = resource.path(namespace)
        async with self._answer("GET", path, query=query, timeout=no_limit) as answer:
            async for line in _lines(answer):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise from_status(event["object"])
                yield WatchEvent(event["type"], event["object"])

    async def create(
        self, resource: Resource, namespace: str | None, obj: Object, *, subresource: str = ""
    ) -> Object:
        """Create the object (or POST to a subresource) and return what was stored."""
        typed = {"apiVersion": resource.api_version, "kind": resource.kind} | obj
        if not subresource:
            return await self._call("POST", resource.path(namespace), body=typed)
        path = resource.path(namespace, name_of(obj), subresource)
        return await self._call("POST", path, body=obj)

    async def update(
        self, resource: Resource, namespace: str | None, obj: Object, *, subresource: str = ""
    ) -> Object:
        """Replace the object, or its `status` or `scale`; Conflict when it is stale."""
        path = resource.path(namespace, name_of(obj), subresource)
        return await self._call("PUT", path, body=obj)

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Any,
        *,
        patch_type: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> Object:
        """Apply the patch and return what was stored."""
        path = resource.path(namespace, name, subresource)
        return await self._call("PATCH", path, body=patch, media=str(patch_type))

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        grace_period_seconds: int | None = None,
        uid: str | None = None,
        propagation: str | None = None,
    ) -> None:
        """Delete the object, gracefully where it is a pod; `uid` is a precondition."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if propagation is not None:
            options["propagationPolicy"] = propagation
        await self._call("DELETE", resource.path(namespace, name), body=options)

    # -- HTTP -------------------------------------------------------------------------------

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        media: str = "application/json",
    ) -> Object:
        limit = aiohttp.ClientTimeout(total=_ANSWER_SECONDS, sock_connect=_CONNECT_SECONDS)
        async with self._answer(
            method, path, query=query, body=body, media=media, timeout=limit
        ) as answer:
            found: Object = orjson.loads(await answer.read())
            return found

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        media: str = "application/json",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield a good answer; a bad one, or none, is an ApiError."""
        headers = {"Content-Type": media} if body is not None else {}
        try:
            async with self._opened().request(
                method,
                self._config.server + path,
                params=query,
                data=None if body is None else orjson.dumps(body),
                headers=headers,
                timeout=timeout,
            ) as answer:
                if answer.status >= 400:
                    raise _error_of(answer.status, await answer.read())
                yield answer
        except TimeoutError:
            raise Timeout(f"{self._config.server} did not answer {method} {path} in time") from None
        except (aiohttp.ClientError, ConnectionError) as problem:
            raise Unavailable(f"{self._config.server} cannot be reached: {problem}") from problem

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"Accept": "application/json", "User-Agent": "podready"}
            if self._config.token:
                headers["Authorization"] = f"Bearer {self._config.token}"
            # A cluster has tens of watches, each with a connection of its own: no limit.
            connector = aiohttp.TCPConnector(ssl=self._config.context or True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, headers=headers)
        return self._session


def _selectors(labels: str, fields: str) -> dict[str, str]:
    pairs = {"labelSelector": labels, "fieldSelector": fields}
    return {name: value for name, value in pairs.items() if value}


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield whole lines of any length (aiohttp's own readline has a limit)."""
    buffer = bytearray()
    async for chunk in answer.content.iter_any():
        buffer += chunk
        *whole, rest = buffer.split(b"\n")
        buffer = bytearray(rest)
        for line in whole:
            if line:
                yield bytes(line)


def _error_of(code: int, body: bytes) -> ApiError:
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = {}
    return from_status(status if isinstance(status, dict) else {}, code)
