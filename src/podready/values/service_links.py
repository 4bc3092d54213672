"""Variables that the kubelet adds for every Service of the namespace (enableServiceLinks)."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = (
    r".+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def is_service_link(name: str, text: str) -> bool:
    """Say whether the kubelet set the variable `name`, not a person; of X_PORT its text tells."""
    if "_PORT" not in name and not name.endswith("_SERVICE_HOST"):
        return False  # the most are neither, and need no expression compiled
    if name.endswith("_PORT") and not name.endswith("_SERVICE_PORT"):
        return is_service_address(text)
    return re.fullmatch(_NAME, name) is not None


def is_service_address(text: str) -> bool:
    """Say whether a text is what X_PORT has for a Service X, such as `tcp://10.0.0.7:80`."""
    return text.startswith(("tcp://", "udp://", "sctp://"))
