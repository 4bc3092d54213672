"""One mistake in one field, with the messages of k8s.io/apimachinery/pkg/util/validation/field."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podready.kube.status import StatusCause

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class FieldError:
    """Where a mistake is, its cause for machines and its sentence for people."""

    path: str
    reason: str
    message: str

    def cause(self) -> StatusCause:
        """Return the cause for a Status."""
        return StatusCause(self.reason, self.message, self.path)


def required(path: str, detail: str = "") -> FieldError:
    """Return the error of a missing value."""
    return FieldError(path, "FieldValueRequired", _join("Required value", detail))


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """Return the error of a value that is wrong in itself."""
    return FieldError(path, "FieldValueInvalid", f"Invalid value: {_shown(value)}: {detail}")


def not_supported(path: str, value: Any, allowed: Iterable[str]) -> FieldError:
    """Return the error of a value that is not one of a list."""
    choices = ", ".join(f'"{word}"' for word in sorted(allowed))
    message = f"Unsupported value: {_shown(value)}: supported values: {choices}"
    return FieldError(path, "FieldValueNotSupported", message)


def duplicate(path: str, value: Any) -> FieldError:
    """Return the error of a value that may be there once only."""
    return FieldError(path, "FieldValueDuplicate", f"Duplicate value: {_shown(value)}")


def forbidden(path: str, detail: str) -> FieldError:
    """Return the error of a field that must not be there, or must not change."""
    return FieldError(path, "FieldValueForbidden", _join("Forbidden", detail))


def not_found(path: str, value: Any) -> FieldError:
    """Return the error of a reference to nothing."""
    return FieldError(path, "FieldValueNotFound", f"Not found: {_shown(value)}")


def _join(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
