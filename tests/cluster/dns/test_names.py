"""What names mean: Services, headless ones, pods, ports, this machine, and what is not ours."""

from __future__ import annotations

import socket

import pytest

from podready.cluster.dns.message import Record, RecordType, encode_name
from podready.cluster.dns.names import Lookup, is_ours, resolve
from podready.kube.meta import Object

PORTS = [{"name": "http", "port": 80, "protocol": "TCP"}]
SERVICES: dict[str, Object] = {
    "default/web": {"spec": {"clusterIP": "10.96.0.11", "ports": PORTS}},
    "shop/peers": {"spec": {"clusterIP": "None", "ports": PORTS}},
    "shop/db": {"spec": {"type": "ExternalName", "externalName": "db.example.com"}},
}
SLICE: Object = {
    "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
    "endpoints": [
        {"addresses": ["10.244.0.3"], "conditions": {"ready": True}, "hostname": "one"},
        {"addresses": ["10.244.0.2"], "conditions": {}},
        {"addresses": ["10.244.0.4"], "conditions": {"ready": False}},
    ],
}
LOOKUP = Lookup(SERVICES.get, lambda service: [SLICE] if service == "shop/peers" else [])


def meant(name: str) -> list[str] | None:
    """Return the records of a name as text."""
    found = resolve(name, LOOKUP)
    return None if found is None else [_text(record) for record in found]


def _text(record: Record) -> str:
    if record.kind is RecordType.A:
        return socket.inet_ntoa(record.value)
    return f"{record.kind.name} {record.value!r}"


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("web.default.svc.cluster.local", ["10.96.0.11"]),
        ("peers.shop.svc.cluster.local", ["10.244.0.2", "10.244.0.3"]),
        ("one.peers.shop.svc.cluster.local", ["10.244.0.3"]),
        ("10-244-0-9.shop.pod.cluster.local", ["10.244.0.9"]),
        ("host.podready.internal", ["10.96.0.2"]),
    ],
)
def test_addresses(name: str, addresses: list[str]) -> None:
    """A Service's own, a headless one's ready pods, a pod by host name or address."""
    assert meant(name) == addresses


@pytest.mark.parametrize(
    "name",
    [
        "web.other.svc.cluster.local",
        "two.peers.shop.svc.cluster.local",
        "10-244-0-999.shop.pod.cluster.local",
        "web.default.svc.cluster.local.default.svc.cluster.local",
        "example.com",
        "web",
        "",
    ],
)
def test_names_that_do_not_exist(name: str) -> None:
    """Neither what the cluster lacks nor what only others know."""
    assert meant(name) is None


def test_ports_and_aliases() -> None:
    """SRV of a Service and of a headless one's pods; CNAME of an ExternalName."""
    web, db = "web.default.svc.cluster.local", "db.shop.svc.cluster.local"
    assert resolve(f"_http._tcp.{web}", LOOKUP) == [
        Record(RecordType.SRV, b"\0\0\0\x64\0\x50" + encode_name(web))
    ]
    assert resolve(f"_http._udp.{web}", LOOKUP) is None
    peers = resolve("_http._tcp.peers.shop.svc.cluster.local", LOOKUP)
    assert peers is not None
    assert [encode_name("one")[:-1] in record.value for record in peers] == [True, False]
    assert resolve(db, LOOKUP) == [Record(RecordType.CNAME, encode_name("db.example.com"))]


def test_what_is_ours() -> None:
    """Everything under the cluster's domain, and this machine."""
    assert is_ours("nope.default.svc.cluster.local")
    assert is_ours("host.podready.internal")
    assert not is_ours("example.com")
    assert not is_ours("notcluster.local")
