"""The Kubernetes API as the rehearsal uses it: lightkube, any cluster, plain dicts.

lightkube is a client that podready did not write, on purpose: what it can drive, kubectl and
others can too. Its generic resources keep every field as the server sent it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
from lightkube import AsyncClient
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.generic_resource import (
    GenericGlobalResource,
    GenericNamespacedResource,
    create_api_info,
)
from lightkube.types import PatchType

from podready.errors import ClusterError, UsageError
from podready.kube.gvk import EVENT, Resource
from podready.kube.manifest import parse_yaml
from podready.kube.meta import dig, name_of, namespace_of

Object = dict[str, Any]

REQUEST_SECONDS: Final = 15.0
"""Longest wait for one answer of the API; watches have no limit."""

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_REFUSED: Final = (401, 403, 404)


class KubernetesApi:
    """A connection to one cluster, named by a kubeconfig file.

    Raises ApiError (lightkube's own) for what the server refuses.
    """

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.namespace = namespace
        self.server, self._client = _connect(kubeconfig, namespace)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    @contextlib.asynccontextmanager
    async def translated_errors(self) -> AsyncIterator[None]:
        """Turn what the connection or the server refuses into a ClusterError with its reason."""
        try:
            yield
        except ApiError as error:
            raise ClusterError(f"the API server refused: {error.status.message}") from error
        except httpx2.HTTPError as error:
            raise ClusterError(f"the API server at {self.server} failed: {error!r}") from error

    async def get(self, resource: Resource, name: str) -> Object | None:
        """Return the object, or None when there is none of that name."""
        try:
            return _plain(await self._client.get(_model(resource), name))
        except ApiError as error:
            if error.status.code == _NOT_FOUND:
                return None
            raise

    async def items(
        self, resource: Resource, labels: Mapping[str, str] | None = None
    ) -> list[Object]:
        """Return all objects of the namespace whose labels match."""
        found = self._client.list(_model(resource), labels=_selector(labels))
        return [_plain(obj) async for obj in found]

    async def apply(self, resource: Resource, obj: Object) -> Object:
        """Create the object, or bring the one that exists to what `obj` says (merge patch)."""
        try:
            return _plain(await self._client.create(_model(resource)(obj)))
        except ApiError as error:
            if error.status.code != _CONFLICT:
                raise
        return _plain(
            await self._client.patch(
                _model(resource),
                name_of(obj),
                obj,
                namespace=namespace_of(obj),
                patch_type=PatchType.MERGE,
            )
        )

    async def patch(
        self, resource: Resource, name: str, patch: Object, kind: PatchType = PatchType.STRATEGIC
    ) -> Object:
        """Patch the object and return what was stored."""
        return _plain(await self._client.patch(_model(resource), name, patch, patch_type=kind))

    async def change(
        self, resource: Resource, name: str, change: Callable[[Object], None]
    ) -> Object:
        """Read, change and replace the object, again after a conflict."""
        while True:
            obj = await self.get(resource, name)
            if obj is None:
                raise ClusterError(f"{resource.kind} {name} is gone from the cluster")
            change(obj)
            try:
                return _plain(await self._client.replace(_model(resource)(obj)))
            except ApiError as error:
                if error.status.code != _CONFLICT:
                    raise

    async def delete(self, resource: Resource, name: str) -> None:
        """Delete the object, a pod with its own grace period."""
        await self._client.delete(_model(resource), name)

    async def log(self, pod: str, container: str, lines: int) -> list[str]:
        """Return the last lines of a container's log; [] when the server has none to give."""
        stream = self._client.log(pod, container=container, tail_lines=lines, newlines=False)
        try:
            return [line async for line in stream]
        except (ApiError, httpx2.HTTPError):
            return []

    async def watch(
        self, resource: Resource, labels: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[str, Object]]:
        """Yield (ADDED | MODIFIED | DELETED, object), first what is there, then what happens.

        Starts over when the connection ends, so an object may be ADDED more than once.
        """
        while True:
            try:
                events = self._client.watch(_model(resource), labels=_selector(labels))
                async with contextlib.aclosing(events) as open_events:  # type: ignore[type-var]
                    async for event, obj in open_events:
                        if event != "BOOKMARK":
                            yield event, _plain(obj)
            except ApiError as error:
                if error.status.code in _REFUSED:
                    raise
            except httpx2.HTTPError:
                pass  # the server went away or was too busy: start over below
            await asyncio.sleep(0.2)  # never knock in a tight loop

    async def events_of(self, kind: str, name: str) -> list[Object]:
        """Return the Events about one object, oldest first."""
        events = await self.items(EVENT)
        about = [
            e
            for e in events
            if dig(e, "involvedObject", "kind") == kind and dig(e, "involvedObject", "name") == name
        ]
        return sorted(about, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))


def _connect(kubeconfig: Path, namespace: str) -> tuple[str, AsyncClient]:
    """Return the server's address and a client; UsageError for a file that gives neither."""
    try:
        text = kubeconfig.read_text(encoding="utf-8")
        config = KubeConfig.from_dict(parse_yaml(text), fname=kubeconfig).get()
        assert config is not None, "it has no current context"
        client = AsyncClient(
            config,
            namespace=namespace,
            timeout=httpx2.Timeout(REQUEST_SECONDS),
            # A proxy for the internet must not be used for a local API server.
            trust_env=False,
            field_manager="podready",
        )
    except (OSError, ConfigError, KeyError, TypeError, ValueError, AssertionError) as error:
        raise UsageError(f"{kubeconfig}: not a usable kubeconfig: {error}") from error
    return config.cluster.server, client


def _model(resource: Resource) -> Any:
    """Return lightkube's class for a resource; our own, so that core kinds stay plain dicts too."""
    if resource not in _MODELS:
        base = GenericNamespacedResource if resource.namespaced else GenericGlobalResource
        info = create_api_info(resource.group, resource.version, resource.kind, resource.plural)
        _MODELS[resource] = type(resource.kind, (base,), {"_api_info": info})
    return _MODELS[resource]


_MODELS: dict[Resource, type] = {}


def _selector(labels: Mapping[str, str] | None) -> dict[str, Any] | None:
    return dict(labels) if labels else None


def _plain(obj: Any) -> Object:
    return dict(obj)
