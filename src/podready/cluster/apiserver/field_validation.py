"""`fieldValidation=Strict|Warn|Ignore`: what becomes of fields that a kind does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podready.kube.schema import mistyped_fields, prune_unknown
from podready.kube.status import BadRequest

if TYPE_CHECKING:
    from podready.kube.meta import Object

MODES = ("Strict", "Warn", "Ignore")


class FieldValidation:
    """Looks at each object as it was decoded; collects the warnings of one request."""

    def __init__(self, mode: str) -> None:
        if mode not in ("", *MODES):
            raise BadRequest(f'invalid fieldValidation parameter: "{mode}"')
        self.mode = mode or "Warn"  # the API server's default
        self.warnings: list[str] = []

    def review(self, obj: Object) -> None:
        """Take unknown fields out of `obj`; BadRequest for them (Strict) or for wrong types."""
        found = [f'unknown field "{path}"' for path in prune_unknown(obj)]
        if found and self.mode == "Strict":
            raise BadRequest(f"{_subject(obj)}: strict decoding error: {', '.join(found)}")
        if self.mode == "Warn":
            self.warnings += found
        for wrong in mistyped_fields(obj):
            detail = (
                f"cannot unmarshal {wrong.found} into field {wrong.path} of type {wrong.wanted}"
            )
            raise BadRequest(f"{_subject(obj)}: json: {detail}")


def _subject(obj: Object) -> str:
    kind, version = obj.get("kind"), str(obj.get("apiVersion")).rpartition("/")[2]
    return f'{kind} in version "{version}" cannot be handled as a {kind}'
