"""What the kubelet adds to the environment for a Service is told from what people set."""

from __future__ import annotations

import pytest

from podready.values.service_links import is_service_link


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SHOP_SERVICE_HOST", "10.0.0.7"),
        ("SHOP_SERVICE_PORT", "80"),
        ("SHOP_SERVICE_PORT_HTTP", "80"),
        ("SHOP_PORT", "tcp://10.0.0.7:80"),
        ("SHOP_PORT_80_TCP", "tcp://10.0.0.7:80"),
        ("SHOP_PORT_80_TCP_PROTO", "tcp"),
        ("SHOP_PORT_80_TCP_ADDR", "10.0.0.7"),
        ("SHOP_PORT_53_UDP", "udp://10.0.0.7:53"),
    ],
)
def test_service_links_are_known(name: str, text: str) -> None:
    """All seven forms of the kubelet (pkg/kubelet/envvars)."""
    assert is_service_link(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [("SHOP_PORT", "80"), ("SHOP_PORTS", "80"), ("SHOP_SERVICE", "x"), ("SHOP_PORT_RANGE", "1-2")],
)
def test_settings_of_people_are_none(name: str, text: str) -> None:
    """Of X_PORT only the value tells."""
    assert not is_service_link(name, text)
