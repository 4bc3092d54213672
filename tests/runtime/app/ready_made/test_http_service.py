"""The HTTP check against a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from podready.checks import UnexpectedStatusError, check_http


class _Answer(BaseHTTPRequestHandler):
    """Answers with the number in the path, or 401 without the header."""

    def do_GET(self) -> None:
        status = int(self.path.split("?")[0].strip("/") or 200)
        self.send_response(status if self.headers.get("Authorization") != "no" else 401)
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    """Give the address of a running server."""
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_the_status_decides(url: str) -> None:
    """200 to 399 pass, as for the kubelet; others do not, unless they are expected."""
    check_http(f"{url}/200")()
    check_http(f"{url}/302")()
    check_http(f"{url}/404", expect={404})()
    with pytest.raises(UnexpectedStatusError, match=f"GET {url}/503 answered 503"):
        check_http(f"{url}/503?token=s3cret")()


def test_headers_are_sent(url: str) -> None:
    """Credentials go here."""
    with pytest.raises(UnexpectedStatusError, match="401"):
        check_http(url, headers={"Authorization": "no"})()


def test_nobody_there() -> None:
    """A refused connection fails the check."""
    with pytest.raises(ConnectionRefusedError):
        check_http("http://127.0.0.1:1/")()


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://host/", "http:///path"])
def test_what_is_no_address(url: str) -> None:
    """Said at import."""
    with pytest.raises(ValueError, match="needs a URL"):
        check_http(url)


def test_credentials_in_the_address() -> None:
    """They would end up in logs."""
    with pytest.raises(ValueError, match="as headers") as refused:
        check_http("http://user:s3cret@host/")
    assert "s3cret" not in str(refused.value)
