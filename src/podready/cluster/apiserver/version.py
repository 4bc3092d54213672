"""Which Kubernetes this API server says it is."""

from __future__ import annotations

import platform

KUBERNETES_VERSION = "1.35.0"
"""The release whose behaviour is built here (pods with generations, GA relaxed names, …)."""


def version_document() -> dict[str, str]:
    """Return the document of `/version`."""
    major, minor, _ = KUBERNETES_VERSION.split(".")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{KUBERNETES_VERSION}+podready",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "python",
        "platform": f"linux/{machine}",
    }
