"""What only the HTTP client can meet: kubeconfigs, dead servers, foreign answers."""

from __future__ import annotations

import base64
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.cluster.client.http_client import HttpClient
from tests.cluster.client.kubeconfig import KubeConfig

from podready.errors import ClusterError
from podready.kube.gvk import POD
from podready.kube.status import Unauthorized, Unavailable


def write(path: Path, user: dict[str, Any], **cluster: Any) -> Path:
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1/"} | cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(document))
    return path


def with_token(kubeconfig: Path, copy: Path, token: str) -> Path:
    document = json.loads(kubeconfig.read_text())
    document["users"][0]["user"]["token"] = token
    copy.write_text(json.dumps(document))
    return copy


async def test_a_wrong_token_is_unauthorized(kubeconfig: Path, tmp_path: Path) -> None:
    """The server's own Status comes through."""
    path = with_token(kubeconfig, tmp_path / "stranger", "wrong")
    async with HttpClient.from_kubeconfig(path) as client:
        with pytest.raises(Unauthorized):
            await client.list(POD)
        with pytest.raises(Unauthorized):
            async for _ in client.watch(POD, resource_version="1"):
                pass


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """One sentence with its address, for calls and for watches."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        path = write(tmp_path / "k", {"token": "t"}, server=f"https://127.0.0.1:{port}")
        async with HttpClient.from_kubeconfig(path) as client:
            with pytest.raises(Unavailable, match=f"127.0.0.1:{port} cannot be reached"):
                await client.get(POD, "default", "p")
            with pytest.raises(Unavailable):
                async for _ in client.watch(POD, resource_version="1"):
                    pass


def test_a_kubeconfig_is_resolved(tmp_path: Path) -> None:
    """Namespace, token file, client certificate, its own CA; the token is never shown."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("me", key_type=trustme.KeyType.ECDSA)
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "token").write_text("secret-token\n")
    user = {
        "tokenFile": "token",
        "client-certificate-data": base64.b64encode(issued.cert_chain_pems[0].bytes()).decode(),
        "client-key-data": base64.b64encode(issued.private_key_pem.bytes()).decode(),
    }
    config = KubeConfig.read(write(tmp_path / "k", user, **{"certificate-authority": "ca.pem"}))
    assert (config.server, config.namespace) == ("https://127.0.0.1:1", "default")
    assert config.token == "secret-token"
    assert "secret-token" not in repr(config)
    assert config.context is not None
    plain = KubeConfig.read(write(tmp_path / "k2", {}, server="http://127.0.0.1:8001"))
    assert plain.context is None


@pytest.mark.parametrize(
    ("user", "cluster", "message"),
    [
        ({"exec": {"command": "gke"}}, {}, r"logs in with a plugin \(exec\)"),
        ({"tokenFile": "missing"}, {}, "cannot be read: No such file"),
        ({}, {"certificate-authority-data": "no!"}, "certificate-authority-data is not base64"),
    ],
)
def test_kubeconfigs_that_do_not_say_how(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], message: str
) -> None:
    """A ClusterError that names the file and what is wrong with it."""
    with pytest.raises(ClusterError, match=message):
        KubeConfig.read(write(tmp_path / "k", user, **cluster))


@pytest.mark.parametrize("text", ["", "a: [", "current-context: x", "{}"])
def test_files_that_are_no_kubeconfig(tmp_path: Path, text: str) -> None:
    """Incomplete, and said so."""
    path = tmp_path / "k"
    path.write_text(text)
    with pytest.raises(ClusterError, match="is incomplete"):
        KubeConfig.read(path)
    with pytest.raises(ClusterError, match="cannot be read"):
        KubeConfig.read(tmp_path / "gone")
