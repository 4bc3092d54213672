"""What goes wrong in a Kubernetes API, as exceptions and as `Status` objects.

    ApiError                       code  reason
    ├── BadRequest                 400   BadRequest
    ├── Unauthorized               401   Unauthorized
    ├── Forbidden                  403   Forbidden
    ├── NotFound                   404   NotFound
    ├── MethodNotAllowed           405   MethodNotAllowed
    ├── NotAcceptable              406   NotAcceptable
    ├── AlreadyExists              409   AlreadyExists
    ├── Conflict                   409   Conflict
    ├── Gone                       410   Expired      (an older resourceVersion than is kept)
    ├── TooLarge                   413   RequestEntityTooLarge
    ├── UnsupportedMediaType       415   UnsupportedMediaType
    ├── Invalid                    422   Invalid      (with a cause for each field)
    ├── TooManyRequests            429   TooManyRequests
    ├── InternalError              500   InternalError
    ├── Unavailable                503   ServiceUnavailable
    └── Timeout                    504   Timeout

It is an answer of a protocol, not a sentence for the user: the caller translates it.
Texts are those of k8s.io/apimachinery/pkg/api/errors, which kubectl prints as they are.
"""

# ruff: noqa: N818 - the classes are named for Kubernetes' own reasons

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from podready.kube.gvk import Resource


@dataclass(frozen=True, slots=True)
class StatusCause:
    """One reason of a failure: a code, a sentence and the field."""

    reason: str
    message: str
    field: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the StatusCause."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


class ApiError(Exception):
    """A failure that an API server answered."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        causes: Sequence[StatusCause] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details or {})
        self.causes = tuple(causes)
        self.retry_after = retry_after

    @classmethod
    def about(cls, resource: Resource, name: str, message: str, **extra: Any) -> Self:
        """Return the error with the details that name an object of a resource."""
        return cls(message, details=_details(resource, name), **extra)

    def to_status(self) -> dict[str, Any]:
        """Return the Status object of this error."""
        details = dict(self.details)
        if self.causes:
            details["causes"] = [cause.to_dict() for cause in self.causes]
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": details,
            "code": self.code,
        }


class BadRequest(ApiError):
    """The request itself makes no sense."""

    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    """No token, or the wrong one."""

    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    """Understood and refused."""

    code, reason = 403, "Forbidden"

    @classmethod
    def of(cls, resource: Resource, name: str, why: str) -> Self:
        """Return `pods "x" is forbidden: why`."""
        return cls.about(resource, name, f'{qualified(resource)} "{name}" is forbidden: {why}')


class NotFound(ApiError):
    """There is no such object or path."""

    code, reason = 404, "NotFound"

    @classmethod
    def of(cls, resource: Resource, name: str) -> Self:
        """Return `deployments.apps "x" not found`."""
        return cls.about(resource, name, f'{qualified(resource)} "{name}" not found')


class MethodNotAllowed(ApiError):
    """The resource has no such verb."""

    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    """The client accepts no media type that this server has."""

    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    """An object of that name is there."""

    code, reason = 409, "AlreadyExists"

    @classmethod
    def of(cls, resource: Resource, name: str) -> Self:
        """Return `deployments.apps "x" already exists`."""
        return cls.about(resource, name, f'{qualified(resource)} "{name}" already exists')


class Conflict(ApiError):
    """The object changed since it was read."""

    code, reason = 409, "Conflict"

    @classmethod
    def of(cls, resource: Resource, name: str, why: str = "") -> Self:
        """Return `Operation cannot be fulfilled on deployments.apps "x": why`."""
        why = why or (
            "the object has been modified; please apply your changes to the latest version "
            "and try again"
        )
        message = f'Operation cannot be fulfilled on {qualified(resource)} "{name}": {why}'
        return cls.about(resource, name, message)


class Gone(ApiError):
    """The watch asks for an older resourceVersion than is kept: list again."""

    code, reason = 410, "Expired"


class TooLarge(ApiError):
    """The body is larger than this server takes."""

    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    """The body's media type is not supported."""

    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    """Fields of the object are wrong; one cause for each of them."""

    code, reason = 422, "Invalid"

    @classmethod
    def of(cls, resource: Resource, name: str, causes: Sequence[StatusCause]) -> Self:
        """Return `Deployment.apps "x" is invalid: …` with all causes."""
        kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
        texts = [f"{c.field}: {c.message}" if c.field else c.message for c in causes]
        text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        details = _details(resource, name) | {"kind": resource.kind}
        return cls(f'{kind} "{name}" is invalid: {text}', details=details, causes=causes)


class TooManyRequests(ApiError):
    """Not now; `retry_after` seconds from now perhaps."""

    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    """The server's own fault."""


class Unavailable(ApiError):
    """The server is starting or stopping, or cannot be reached."""

    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    """The server did not manage in time."""

    code, reason = 504, "Timeout"


def success(resource: Resource, name: str, uid: str) -> dict[str, Any]:
    """Return the Status that answers a delete whose object is gone."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": _details(resource, name) | {"uid": uid},
    }


def qualified(resource: Resource) -> str:
    """Return `deployments.apps`, or `pods` in the core group."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _details(resource: Resource, name: str) -> dict[str, Any]:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}
