"""Which form an answer takes: plain objects, Tables for people, or metadata only."""

from __future__ import annotations

from enum import StrEnum

from podready.kube.status import NotAcceptable

JSON = "application/json"
_TAKES_JSON = (JSON, "application/*", "*/*")


class Form(StrEnum):
    """The shapes a client may ask for with `as=` in its Accept header."""

    OBJECT = "Object"
    TABLE = "Table"
    PARTIAL = "PartialObjectMetadata"
    PARTIAL_LIST = "PartialObjectMetadataList"
    DISCOVERY = "APIGroupDiscoveryList"


def negotiate(accept: str) -> Form:
    """Return the form of the first media range we can serve; NotAcceptable when there is none.

    Protobuf, CBOR and forms of other versions are passed over, as client-go expects.
    """
    ranges = [part.strip() for part in accept.split(",") if part.strip()]
    for media, parameters in map(_parsed, ranges or [JSON]):
        if media not in _TAKES_JSON:
            continue
        wanted = parameters.get("as")
        if wanted is None:
            return Form.OBJECT
        if wanted in set(Form) and parameters.get("v", "v1") in ("v1", "v2"):
            return Form(wanted)
    raise NotAcceptable(f"only the following media types are accepted: {JSON}")


def _parsed(media_range: str) -> tuple[str, dict[str, str]]:
    media, *parameters = (part.strip() for part in media_range.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    return media.lower(), {name.strip(): value.strip() for name, _, value in pairs}
