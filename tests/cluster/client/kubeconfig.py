"""How to reach a cluster: the parts of a kubeconfig that this client understands."""

from __future__ import annotations

import base64
import binascii
import ssl
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from podready.errors import ClusterError
from podready.kube.manifest import parse_yaml

if TYPE_CHECKING:
    from pathlib import Path

_PLUGINS = ("exec", "auth-provider")


@dataclass(frozen=True, slots=True)
class KubeConfig:
    """The current context of a kubeconfig file, resolved."""

    server: str
    namespace: str
    token: str = field(repr=False)
    context: ssl.SSLContext | None = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the current context; ClusterError when the file does not say how to connect."""
        try:
            document = parse_yaml(path.read_text(encoding="utf-8"))
            context = _named(document, "context", document["current-context"])
            cluster = _named(document, "cluster", context["cluster"])
            user = _named(document, "user", context["user"])
            return cls(
                server=cluster["server"].rstrip("/"),
                namespace=context.get("namespace") or "default",
                token=_token(user, path),
                context=_ssl_context(cluster, user, path),
            )
        except OSError as problem:
            raise ClusterError(f"kubeconfig {path} cannot be read: {problem.strerror}") from None
        except (KeyError, TypeError, ValueError) as problem:
            raise ClusterError(f"kubeconfig {path} is incomplete: {problem}") from None


def _named(document: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    for entry in document.get(f"{kind}s") or ():
        if entry.get("name") == name:
            found: dict[str, Any] = entry[kind]
            return found
    raise KeyError(f"no {kind} is called {name!r}")


def _token(user: dict[str, Any], path: Path) -> str:
    for plugin in _PLUGINS:
        if plugin in user:
            raise ClusterError(
                f"kubeconfig {path} logs in with a plugin ({plugin}), which podready does not run: "
                "give it a kubeconfig with a token or a client certificate"
            )
    if user.get("tokenFile"):
        return str((path.parent / user["tokenFile"]).read_text(encoding="utf-8")).strip()
    return str(user.get("token") or "")


def _ssl_context(
    cluster: dict[str, Any], user: dict[str, Any], path: Path
) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https:"):
        return None
    authority = _bytes_of(cluster, "certificate-authority", path)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = _bytes_of(user, "client-certificate", path)
    key = _bytes_of(user, "client-key", path)
    if certificate and key:
        _load_certificate(context, certificate + b"\n" + key)
    return context


def _load_certificate(context: ssl.SSLContext, pem: bytes) -> None:
    # ssl takes client certificates from a file only; NamedTemporaryFile makes it 0600.
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)


def _bytes_of(part: dict[str, Any], name: str, path: Path) -> bytes:
    """Return what `name-data` holds in base64 or the file `name` points to."""
    try:
        if part.get(f"{name}-data"):
            return base64.b64decode(part[f"{name}-data"], validate=True)
    except binascii.Error:
        raise ValueError(f"{name}-data is not base64") from None
    return (path.parent / part[name]).read_bytes() if part.get(name) else b""
