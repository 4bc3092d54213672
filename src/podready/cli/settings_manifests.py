"""The variables of a settings class as a ConfigMap and a Secret."""

from __future__ import annotations

import re
from typing import Final

from podready.cli.settings_formats import always
from podready.errors import UsageError
from podready.kube.manifest import dump_manifest
from podready.runtime.settings.documentation import docs_of
from podready.runtime.settings.load import Schema

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
"""A DNS subdomain (RFC 1123), as ConfigMaps and Secrets are named."""


def render(schema: Schema, form: str, name: str | None) -> str:
    """Return a ConfigMap of the variables that are not secret, or a Secret of the others, empty."""
    if name is not None and not _NAME.fullmatch(name):
        raise UsageError(f"--name {name!r} is not a name for an object: a-z, 0-9, - and . inside")
    secret = form == "secret"
    data: dict[str, str] = {}
    notes: dict[tuple[str, ...], str] = {}
    docs = docs_of(schema.section)
    part = "stringData" if secret else "data"
    for variable in always(
        schema.section
    ):  # a part of an optional section would make all of it required
        if variable.sensitive is not secret:
            continue
        text = "" if secret else variable.default_text
        if text is None and not variable.required:
            continue  # None, or computed by the class: no text stands for it
        data[variable.name] = text or ""
        need = "required" if variable.required else "optional"
        about = f"{docs.get(variable.name, '')} ({variable.parser.name}, {need})"
        notes[(part, variable.name)] = about.strip()
    obj = {
        "apiVersion": "v1",
        "kind": "Secret" if secret else "ConfigMap",
        "metadata": {"name": _name(schema) if name is None else name},
        **({"type": "Opaque"} if secret else {}),
        part: data,
    }
    return dump_manifest(obj, notes)


def _name(schema: Schema) -> str:
    """Return a name for an object: the prefix as Kubernetes writes names, or `settings`."""
    return re.sub(r"[^a-z0-9]+", "-", schema.options.prefix.lower()).strip("-") or "settings"
