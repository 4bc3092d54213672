"""Quality-of-service classes."""

from __future__ import annotations

from typing import Any

import pytest

from podready.kube.qos import qos_class

FULL = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": FULL, "limits": FULL}], "Guaranteed"),
        ([{"requests": FULL, "limits": FULL}, {}], "Burstable"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}], "Burstable"),
    ],
)
def test_classes(resources: list[dict[str, Any]], expected: str) -> None:
    """Guaranteed needs both limits, equal to the requests, in every container."""
    spec = {"containers": [{"name": "c", "resources": r} for r in resources]}
    assert qos_class(spec) == expected
