"""The API server: the registry behind TLS and a token, on this machine's loopback."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from podready.clock import SYSTEM_CLOCK, Clock
from podready.cluster.apiserver.answers import error_answer
from podready.cluster.apiserver.credentials import Credentials
from podready.cluster.apiserver.handlers import HEALTH_PATHS, Handlers
from podready.errors import ClusterError
from podready.kube.status import ApiError, InternalError, Unauthorized

if TYPE_CHECKING:
    from pathlib import Path

    from podready.cluster.apiserver.registry import Registry
    from podready.cluster.apiserver.subresources.log import PodLogs

_LOG = logging.getLogger(__name__)
_OPEN_PATHS = (*HEALTH_PATHS, "/version")
"""Answered without a token, as Kubernetes' role system:public-info-viewer allows."""

_STOP_SECONDS = 1.0
"""What answers under way get when the server stops; watches are ended before."""


class ApiServer:
    """Serves a registry over HTTPS from `start` to `stop`."""

    def __init__(
        self, registry: Registry, *, pod_logs: PodLogs, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._handlers = Handlers(registry, pod_logs, clock)
        self._runner: web.ServerRunner | None = None
        self._credentials: Credentials | None = None
        self.url = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on `host`:`port` (0: any free one); ClusterError when the address is taken."""
        self._credentials = Credentials.make(host)
        server = web.Server(self._answer, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=_STOP_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=self._credentials.context)
        try:
            await site.start()
        except OSError as problem:
            await self.stop()
            raise ClusterError(
                f"the API server cannot listen on {host}:{port}: {problem.strerror}"
            ) from problem
        bound_port = self._runner.addresses[0][1]
        self.url = f"https://{host}:{bound_port}"

    def write_kubeconfig(self, path: Path) -> None:
        """Write a kubeconfig (mode 0600) with which kubectl and any client reach this server."""
        if self._credentials is None:
            raise ClusterError("the API server has not been started, so it has no credentials yet")
        self._credentials.write_kubeconfig(path, self.url)

    async def stop(self) -> None:
        """End watches, let other answers finish for a second, close everything."""
        for stream in tuple(self._handlers.watches):
            stream.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            self._authenticate(request)
            return await self._handlers.handle(request)
        except ApiError as error:
            return error_answer(error)
        except ConnectionResetError:
            raise
        except Exception:  # noqa: BLE001 - one broken answer must not end the server
            _LOG.exception("%s %s failed", request.method, request.path)
            return error_answer(InternalError("the API server failed; its log says why"))

    def _authenticate(self, request: web.BaseRequest) -> None:
        if request.path in _OPEN_PATHS:
            return
        header = request.headers.get("Authorization", "")
        if self._credentials is None or not self._credentials.accepts(header):
            raise Unauthorized("Unauthorized")
