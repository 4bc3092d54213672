"""The API server over real HTTPS."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.cluster.client.kubeconfig import KubeConfig

from podready.cluster.apiserver.registry import Registry
from podready.cluster.apiserver.server import ApiServer
from podready.cluster.client.protocol import PatchType
from podready.errors import ClusterError
from podready.kube.gvk import POD

PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


def pod(name: str = "p") -> dict[str, Any]:
    spec = {"containers": [{"name": "web", "image": "web:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
async def http(server: ApiServer, kubeconfig: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """An ordinary HTTP client with the kubeconfig's CA and token."""
    config = KubeConfig.read(kubeconfig)
    assert config.context is not None
    async with aiohttp.ClientSession(
        server.url,
        connector=aiohttp.TCPConnector(ssl=config.context),
        headers={"Authorization": f"Bearer {config.token}"},
    ) as session:
        yield session


async def test_only_who_has_the_token_may_ask(server: ApiServer, kubeconfig: Path) -> None:
    """401 as a Status without it; health and version are open; other CAs are refused."""
    config = KubeConfig.read(kubeconfig)
    assert config.context is not None
    connector = aiohttp.TCPConnector(ssl=config.context)
    async with aiohttp.ClientSession(server.url, connector=connector) as other:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer é"}):
            async with other.get(PODS, headers=headers) as answer:
                assert (answer.status, (await answer.json())["reason"]) == (401, "Unauthorized")
        for path in ("/livez", "/readyz", "/healthz", "/version"):
            async with other.get(path) as answer:
                assert answer.status == 200
    async with aiohttp.ClientSession(server.url) as distrustful:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await distrustful.get("/livez")


def test_the_kubeconfig_is_for_its_owner_only(kubeconfig: Path, server: ApiServer) -> None:
    """Mode 0600, also over a file that was open to all; the token shows nowhere else."""
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    kubeconfig.chmod(0o644)
    server.write_kubeconfig(kubeconfig)
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    config = KubeConfig.read(kubeconfig)
    assert len(config.token) >= 32
    assert config.token not in repr(config)
    assert config.server == server.url
    assert server.url.startswith("https://127.0.0.1:")


async def test_old_tls_is_refused(server: ApiServer) -> None:
    """Nothing below TLS 1.2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    assert writer.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""


async def test_an_object_lives_its_life_over_http(http: aiohttp.ClientSession) -> None:
    """POST 201, GET, PUT, PATCH, DELETE, 404: each as Kubernetes answers."""
    async with http.post(PODS, json=pod()) as answer:
        made = await answer.json()
        assert (answer.status, made["status"]["phase"]) == (201, "Pending")
    async with http.get(f"{PODS}/p") as answer:
        assert (await answer.json()) == made
    made["metadata"]["labels"] = {"a": "b"}
    async with http.put(f"{PODS}/p", json=made) as answer:
        assert (await answer.json())["metadata"]["labels"] == {"a": "b"}
    async with http.put(f"{PODS}/p", json=made) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (409, "Conflict")
    patch = json.dumps({"metadata": {"labels": {"a": None}}})
    media = {"Content-Type": str(PatchType.MERGE)}
    async with http.patch(f"{PODS}/p", data=patch, headers=media) as answer:
        assert (await answer.json())["metadata"]["labels"] == {}
    async with http.delete(f"{PODS}/p") as answer:
        status = await answer.json()
        assert (status["status"], status["details"]["uid"]) == ("Success", made["metadata"]["uid"])
    async with http.get(f"{PODS}/p") as answer:
        assert (answer.status, (await answer.json())["message"]) == (404, 'pods "p" not found')


async def test_lists_select_and_carry_a_version(http: aiohttp.ClientSession) -> None:
    """PodList with labelSelector and fieldSelector; a bad one is 400."""
    for name in ("a", "b"):
        labelled = pod(name)
        labelled["metadata"]["labels"] = {"name": name}
        await http.post(PODS, json=labelled)
    async with http.get(PODS, params={"labelSelector": "name in (a)", "limit": "500"}) as answer:
        listed = await answer.json()
        assert (listed["kind"], [i["metadata"]["name"] for i in listed["items"]]) == (
            "PodList", ["a"],
        )  # fmt: skip
        assert listed["metadata"]["resourceVersion"].isdecimal()
    async with http.get("/api/v1/pods", params={"fieldSelector": "metadata.name!=a"}) as answer:
        assert [i["metadata"]["name"] for i in (await answer.json())["items"]] == ["b"]
    async with http.get(PODS, params={"fieldSelector": "spec.colour=x"}) as answer:
        assert answer.status == 400
    async with http.delete(PODS, params={"labelSelector": "name=a"}) as answer:
        assert answer.status == 200
    async with http.get(PODS) as answer:
        assert [i["metadata"]["name"] for i in (await answer.json())["items"]] == ["b"]


async def next_event(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(10):
        event: dict[str, Any] = json.loads(await answer.content.readline())
        return event


async def test_a_watch_streams_events_as_they_happen(http: aiohttp.ClientSession) -> None:
    """ADDED, MODIFIED, DELETED after the list's version."""
    async with http.get(PODS) as answer:
        version = (await answer.json())["metadata"]["resourceVersion"]
    query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "60"}
    async with http.get(PODS, params=query) as watch:
        await http.post(PODS, json=pod())
        assert (await next_event(watch))["type"] == "ADDED"
        media = {"Content-Type": str(PatchType.MERGE)}
        patch = json.dumps({"status": {"phase": "Running"}})
        await http.patch(f"{PODS}/p/status", data=patch, headers=media)
        event = await next_event(watch)
        assert (event["type"], event["object"]["status"]["phase"]) == ("MODIFIED", "Running")
        await http.delete(f"{PODS}/p")
        assert (await next_event(watch))["type"] == "DELETED"


async def test_a_watch_ends_at_its_timeout(http: aiohttp.ClientSession) -> None:
    """The answer is complete then, and empty where nothing happened."""
    query = {"watch": "true", "timeoutSeconds": "1"}
    async with http.get(PODS, params=query) as watch, asyncio.timeout(60):
        assert await watch.content.read() == b""


async def test_a_watch_list_and_a_table_watch(http: aiohttp.ClientSession) -> None:
    """sendInitialEvents ends with its bookmark; Tables have headings once."""
    await http.post(PODS, json=pod())
    query = {
        "watch": "true", "sendInitialEvents": "true", "allowWatchBookmarks": "true",
        "resourceVersionMatch": "NotOlderThan",
    }  # fmt: skip
    async with http.get(PODS, params=query) as watch:
        assert (await next_event(watch))["type"] == "ADDED"
        end = await next_event(watch)
        assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    async with http.get(PODS, params={"watch": "true"}, headers=TABLE) as watch:
        first = await next_event(watch)
        assert first["object"]["kind"] == "Table"
        assert first["object"]["columnDefinitions"][0]["name"] == "Name"
        await http.delete(f"{PODS}/p")
        last = await next_event(watch)
        assert (last["type"], last["object"]["columnDefinitions"]) == ("DELETED", [])


@pytest.mark.slow
async def test_too_old_a_version_is_410(http: aiohttp.ClientSession, registry: Registry) -> None:
    """The client lists again."""
    for n in range(4200):
        obj = {"metadata": {"name": "c", "namespace": "default"}, "data": {"n": str(n)}}
        verb = registry.update if n else registry.create
        verb(_config_map(), "default", obj)
    query = {"watch": "true", "resourceVersion": "5"}
    async with http.get(CONFIG_MAPS, params=query) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (410, "Expired")


def _config_map() -> Any:
    from podready.kube.gvk import CONFIG_MAP

    return CONFIG_MAP


async def test_a_client_that_goes_away_ends_its_watch(
    http: aiohttp.ClientSession, registry: Registry, until: Any
) -> None:
    """No event need come: the closed connection is enough."""
    async with http.get(PODS, params={"watch": "true"}) as watch:
        assert watch.status == 200
        assert len(list(registry.store.watchers())) == 1
    await until(lambda: not list(registry.store.watchers()))


async def test_stopping_ends_open_watches(
    http: aiohttp.ClientSession, server: ApiServer, registry: Registry
) -> None:
    """Cleanly: the client reads an end, not an error."""
    async with http.get(PODS, params={"watch": "true"}) as watch:
        await server.stop()
        async with asyncio.timeout(10):
            assert await watch.content.read() == b""
    assert list(registry.store.watchers()) == []


async def test_field_validation(http: aiohttp.ClientSession) -> None:
    """Strict refuses unknown fields by path, Warn drops them and says so, types always count."""
    typo = pod()
    typo["spec"]["containers"][0]["livenesProbe"] = {}
    async with http.post(PODS, json=typo, params={"fieldValidation": "Strict"}) as answer:
        assert answer.status == 400
        assert (await answer.json())["message"] == (
            'Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
            'unknown field "spec.containers[0].livenesProbe"'
        )
    async with http.post(PODS, json=typo) as answer:
        assert answer.headers["Warning"] == (
            '299 - "unknown field \\"spec.containers[0].livenesProbe\\""'
        )
        assert "livenesProbe" not in (await answer.json())["spec"]["containers"][0]
    patch = json.dumps({"spec": {"activeDeadlineSeconds": "soon"}})
    media = {"Content-Type": str(PatchType.STRATEGIC)}
    async with http.patch(f"{PODS}/p", data=patch, headers=media) as answer:
        assert answer.status == 400
        assert "cannot unmarshal string" in (await answer.json())["message"]


async def test_bodies_that_are_not_served_are_415(http: aiohttp.ClientSession) -> None:
    """Protobuf, server-side apply, an unknown patch: each with a sentence; YAML is read."""
    for verb, path, media in (
        ("POST", PODS, "application/vnd.kubernetes.protobuf"),
        ("PATCH", f"{PODS}/p", "application/apply-patch+yaml"),
        ("PATCH", f"{PODS}/p", "application/json"),
    ):
        async with http.request(verb, path, data=b"x", headers={"Content-Type": media}) as answer:
            assert (answer.status, (await answer.json())["kind"]) == (415, "Status")
    text = "kind: ConfigMap\nmetadata: {name: from-yaml}\n"
    headers = {"Content-Type": "application/yaml"}
    async with http.post(CONFIG_MAPS, data=text, headers=headers) as answer:
        assert answer.status == 201
    async with http.post(PODS, data=b"{") as answer:
        assert answer.status == 400
    async with http.post(PODS, data=io.BytesIO(b" " * (3 * 1024 * 1024 + 1))) as answer:
        assert answer.status == 413
    async with http.get(PODS, headers={"Accept": "application/cbor"}) as answer:
        assert answer.status == 406


async def test_scale_binding_and_eviction(http: aiohttp.ClientSession) -> None:
    """The subresources that controllers, schedulers and drains use."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    await http.post(DEPLOYMENTS, json={"metadata": {"name": "d"}, "spec": spec})
    media = {"Content-Type": str(PatchType.MERGE)}
    patch = json.dumps({"spec": {"replicas": 4}})
    async with http.patch(f"{DEPLOYMENTS}/d/scale", data=patch, headers=media) as answer:
        assert (await answer.json())["kind"] == "Scale"
    await http.post(PODS, json=pod())
    binding = {"metadata": {"name": "p"}, "target": {"name": "node-1"}}
    async with http.post(f"{PODS}/p/binding", json=binding) as answer:
        assert (answer.status, (await answer.json())["status"]) == (201, "Success")
    async with http.post(f"{PODS}/p/eviction", json={"metadata": {"name": "q"}}) as answer:
        assert answer.status == 400
    async with http.post(f"{PODS}/p/eviction", json={"metadata": {"name": "p"}}) as answer:
        assert answer.status == 201
    async with http.get(f"{PODS}/p") as answer:
        assert (await answer.json())["metadata"]["deletionGracePeriodSeconds"] == 30


def run_container(registry: Registry) -> None:
    """Say that the pod's container runs."""
    status = {"containerStatuses": [{"name": "web", "state": {"running": {}}}]}
    registry.patch(
        POD, "default", "p", {"status": status}, patch_type=PatchType.MERGE, subresource="status"
    )


async def test_logs_come_from_the_kubelet(
    http: aiohttp.ClientSession, registry: Registry, logs: Any
) -> None:
    """Whole, tail, followed to the end; a missing one is an error, not an empty log."""
    await http.post(PODS, json=pod())
    async with http.get(f"{PODS}/p/log") as answer:
        assert (answer.status, "waiting to start" in await answer.text()) == (400, True)
    run_container(registry)
    async with http.get(f"{PODS}/p/log") as answer:
        assert answer.status == 404
    logs.written["p", "web", False] = [b"one\n", b"two\n"]
    logs.more = [b"three\n"]
    async with http.get(f"{PODS}/p/log") as answer:
        assert await answer.text() == "one\ntwo\n"
    async with http.get(f"{PODS}/p/log", params={"tailLines": "1", "follow": "true"}) as answer:
        assert await answer.content.readline() == b"two\n"
        logs.end.set()
        async with asyncio.timeout(10):
            assert await answer.content.read() == b"three\n"
    assert logs.open_streams == 0


async def test_a_reader_that_leaves_closes_the_log(
    http: aiohttp.ClientSession, registry: Registry, logs: Any, until: Any
) -> None:
    """The kubelet's stream is closed, however long the container goes on."""
    await http.post(PODS, json=pod())
    run_container(registry)
    logs.written["p", "web", False] = [b"one\n"]
    async with http.get(f"{PODS}/p/log", params={"follow": "true"}) as answer:
        assert await answer.content.readline() == b"one\n"
        assert logs.open_streams == 1
    await until(lambda: logs.open_streams == 0)


async def test_discovery_in_both_forms(http: aiohttp.ClientSession) -> None:
    """Aggregated with its own content type, and group by group."""
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    async with http.get("/apis", headers={"Accept": accept}) as answer:
        assert answer.headers["Content-Type"] == accept
        groups = {item["metadata"]["name"] for item in (await answer.json())["items"]}
        assert groups == {"apps", "discovery.k8s.io"}
    async with http.get("/api") as answer:
        assert (await answer.json())["versions"] == ["v1"]
    async with http.get("/apis") as answer:
        assert [g["name"] for g in (await answer.json())["groups"]] == ["apps", "discovery.k8s.io"]
    async with http.get("/apis/apps") as answer:
        assert (await answer.json())["preferredVersion"]["groupVersion"] == "apps/v1"
    async with http.get("/api/v1") as answer:
        resources = {r["name"]: r for r in (await answer.json())["resources"]}
        assert (resources["pods/eviction"]["group"], resources["pods"]["shortNames"]) == (
            "policy", ["po"],
        )  # fmt: skip


async def test_open_api_documents(http: aiohttp.ClientSession) -> None:
    """An index with content hashes; merge keys and parameters where kubectl looks for them."""
    async with http.get("/openapi/v3") as answer:
        entry = (await answer.json())["paths"]["apis/apps/v1"]
    async with http.get(entry["serverRelativeURL"]) as answer:
        document = await answer.json()
    schemas = document["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]
    async with http.get("/openapi/v2") as answer:
        assert answer.status == 404


async def test_a_port_in_use_is_one_sentence(server: ApiServer, registry: Registry) -> None:
    """ClusterError with the address; nothing is left listening."""
    second = ApiServer(registry, pod_logs=server._handlers._pod_logs)
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(ClusterError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
        await second.start(port=port)
    with pytest.raises(ClusterError, match="not been started"):
        ApiServer(registry, pod_logs=server._handlers._pod_logs).write_kubeconfig(Path("/x"))


async def test_a_broken_answer_is_a_500_and_the_server_goes_on(
    http: aiohttp.ClientSession, registry: Registry, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The traceback is in the log; the client gets a Status without it."""
    monkeypatch.setattr(registry, "get", lambda *_: 1 / 0)
    async with http.get(f"{PODS}/p") as answer:
        body = await answer.text()
        assert (answer.status, "ZeroDivision" in body) == (500, False)
    assert "ZeroDivisionError" in caplog.text
    async with http.get(PODS) as answer:
        assert answer.status == 200
