"""Another service over HTTP: it answers a GET with a status that means yes."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_GOOD: Final = range(200, 400)
"""What the kubelet takes for success of an httpGet probe; redirects are not followed."""

_AGENT: Final = "podready-check"


class UnexpectedStatusError(Exception):
    """The service answered, but with a status that was not asked for."""


def check_http(
    url: str,
    *,
    timeout: float = 2.0,
    expect: Collection[int] = _GOOD,
    headers: Mapping[str, str] | None = None,
) -> Callable[[], None]:
    """Return a check that sends GET to `url` (http or https), on a new connection at each run.

    `timeout` in seconds holds for connecting and for each wait; `expect` are the statuses that
    pass. Ask for something cheap that itself depends on nothing, such as the other service's
    /livez: readiness that hangs on readiness takes a whole chain out of service at once. Raises
    ValueError at once for a URL without host, or with credentials in it.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("check_http needs a URL such as http://host:port/path")
    if parts.username or parts.password:
        raise ValueError("check_http takes credentials as headers, not in the URL: URLs are logged")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    sent = {"User-Agent": _AGENT, "Connection": "close", **(headers or {})}
    place = f"{parts.scheme}://{parts.netloc}{parts.path}"

    def check() -> None:
        connection = connect(parts.hostname or "", parts.port, timeout=timeout)
        try:
            connection.request("GET", target, headers=sent)
            status = connection.getresponse().status
        finally:
            connection.close()
        if status not in expect:
            raise UnexpectedStatusError(f"GET {place} answered {status}")

    return check
