"""The log line of a request that has been served, ASGI or WSGI."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from podready.runtime.logs.formats.parts import ServedRequest
from podready.runtime.logs.intake.access_log import log_request

if TYPE_CHECKING:
    from podready.runtime.asgi_types import Scope
    from podready.runtime.requests.request import HttpRequest
    from podready.runtime.requests.wsgi_request import WsgiRequest


def log_access(scope: Scope, request: HttpRequest | WsgiRequest) -> None:
    """Log one request that has been served."""
    client = scope.get("client")
    line = ServedRequest(
        scope["method"],
        scope["path"],
        request.status,
        0 if scope["method"] == "HEAD" else request.size,  # RFC 9110, 9.3.2: no content is sent
        time.monotonic() - request.started,
        client[0] if client else "",
        request.agent.decode("latin-1"),
        f"HTTP/{scope['http_version']}",
    )
    log_request(line, request.request_id, request.trace)
