"""Access to the API server: a throw-away certificate authority and one random token."""

from __future__ import annotations

import base64
import os
import secrets
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import orjson
import trustme

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """Made for each API server and never stored, except in the kubeconfig asked for."""

    ca_pem: bytes
    context: ssl.SSLContext = field(repr=False)
    token: str = field(repr=False)

    @classmethod
    def make(cls, host: str) -> Self:
        """Return credentials for a server on `host`; EC keys, because RSA ones take far longer."""
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        names = dict.fromkeys((host, "127.0.0.1", "localhost", "kubernetes.default.svc"))
        certificate = authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return cls(authority.cert_pem.bytes(), context, secrets.token_urlsafe(32))

    def accepts(self, authorization: str) -> bool:
        """Whether an Authorization header carries the token (compared in constant time)."""
        expected = f"Bearer {self.token}".encode()
        return secrets.compare_digest(authorization.encode("utf-8", "surrogateescape"), expected)

    def write_kubeconfig(self, path: Path, url: str) -> None:
        """Write a kubeconfig for `url` that only its owner can read (JSON, which is YAML too)."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(orjson.dumps(self._kubeconfig(url), option=orjson.OPT_INDENT_2))

    def _kubeconfig(self, url: str) -> dict[str, object]:
        authority = base64.b64encode(self.ca_pem).decode()
        cluster = {"server": url, "certificate-authority-data": authority}
        context = {"cluster": "podready", "user": "podready", "namespace": "default"}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "preferences": {},
            "clusters": [{"name": "podready", "cluster": cluster}],
            "users": [{"name": "podready", "user": {"token": self.token}}],
            "contexts": [{"name": "podready", "context": context}],
            "current-context": "podready",
        }
