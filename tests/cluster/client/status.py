"""A Status object of the API back into the error it describes; for the client of the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podready.kube.status import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    StatusCause,
    Timeout,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)

_CLASSES: tuple[type[ApiError], ...] = (
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    AlreadyExists,
    Conflict,
    Gone,
    TooLarge,
    UnsupportedMediaType,
    Invalid,
    TooManyRequests,
    Unavailable,
    Timeout,
    InternalError,
)
_BY_REASON = {kind.reason: kind for kind in _CLASSES}
_BY_CODE = {kind.code: kind for kind in reversed(_CLASSES)}


def from_status(status: Mapping[str, Any], http_status: int = 500) -> ApiError:
    """Return the error that a Status object describes; `http_status` counts where it is silent."""
    code = int(status.get("code") or http_status)
    kind = _BY_REASON.get(str(status.get("reason"))) or _BY_CODE.get(code, InternalError)
    details = dict(status.get("details") or {})
    causes = tuple(
        StatusCause(c.get("reason", ""), c.get("message", ""), c.get("field", ""))
        for c in details.pop("causes", None) or ()
    )
    retry_after = details.pop("retryAfterSeconds", None)
    message = str(status.get("message") or f"the server answered {code}")
    return kind(message, details=details, causes=causes, retry_after=retry_after)
