"""Who writes the log: service name, version and environment, from the platform's variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Service(NamedTuple):
    """The identity that every line carries; empty where no variable has it."""

    name: str = ""
    version: str = ""
    environment: str = ""
    project: str = ""  # of Google Cloud, for trace names

    def named(self, *names: str) -> dict[str, str]:
        """Return name, version and environment, in this order, by `names`; without empty ones."""
        return {name: value for name, value in zip(names, self, strict=False) if value}


def service_of(environ: Mapping[str, str]) -> Service:
    """Return the identity that the environment gives.

    OpenTelemetry's variables come first (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES), then
    Datadog's unified tags (DD_SERVICE, DD_VERSION, DD_ENV), then Cloud Run's (K_SERVICE,
    K_REVISION). The project is never asked of the metadata server: a start must not wait for it.
    """
    resource = _attributes(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))

    def first(*names: str) -> str:
        return next((found for name in names if (found := environ.get(name, ""))), "")

    return Service(
        first("OTEL_SERVICE_NAME")
        or resource.get("service.name", "")
        or first("DD_SERVICE", "K_SERVICE"),
        resource.get("service.version", "") or first("DD_VERSION", "K_REVISION"),
        resource.get("deployment.environment.name", "")
        or resource.get("deployment.environment", "")
        or first("DD_ENV"),
        first("GOOGLE_CLOUD_PROJECT"),
    )


def _attributes(text: str) -> dict[str, str]:
    """Parse `key=value,key=value` with percent-encoded values, as OpenTelemetry writes it."""
    pairs = (pair.partition("=") for pair in text.split(","))
    return {key.strip(): _decoded(value.strip()) for key, equals, value in pairs if equals}


def _decoded(value: str) -> str:
    if "%" not in value:
        return value
    from urllib.parse import unquote  # 10 ms that PID 1 hardly ever needs

    return unquote(value)
