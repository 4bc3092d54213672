"""Passwords of URLs leave every text, whatever characters they are made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podready.runtime.url_passwords import STARS, without_passwords

if TYPE_CHECKING:
    from tests.runtime.logs.conftest import Events


def cut(text: str) -> str:
    """Return a text as it comes out of a line of JSON, and the same bare."""
    line = json.dumps({"message": text}, ensure_ascii=False).encode()
    encoded: str = json.loads(without_passwords(line))["message"]
    bare = without_passwords(text.encode(), bare=True).decode()
    assert encoded == bare
    return encoded


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgres://app:hunter2@db:5432/x", "postgres://app:[redacted]@db:5432/x"),
        ("postgres://app:hun@ter2@db/x", "postgres://app:[redacted]@db/x"),
        ("postgres://app:hun/ter2@db/x", "postgres://app:[redacted]@db/x"),
        ("http://a@b:hunter2@h", "http://a@b:[redacted]@h"),
        ('postgres://app:hun"ter2@db/x', "postgres://app:[redacted]@db/x"),
        ('postgres://app:"@hunter2@db/x', "postgres://app:[redacted]@db/x"),
        ("postgres://app:hun\\ter2@db/x", "postgres://app:[redacted]@db/x"),
        ("postgres://app:hunter2\\@db/x", "postgres://app:[redacted]@db/x"),
        ("postgres://app:1234@db/x", "postgres://app:[redacted]@db/x"),
        ("redis://:hunter2@cache/0", "redis://:[redacted]@cache/0"),
        ("http://h/?to=https://u:hunter2@h/x", "http://h/?to=https://u:[redacted]@h/x"),
        ("<http://u:hunter2@h> a@b", "<http://u:[redacted]@h> a@b"),
        ('"http://u:hunter2@h", a@b', '"http://u:[redacted]@h", a@b'),
        ('{"db":"http://u:hunter2@h/x","mail":"a@b"}', '{"db":"http://u:[redacted]@h/x","mail":"a@b"}'),
        ("http://u:hunter2@h\nnext a@b", "http://u:[redacted]@h\nnext a@b"),
    ],
)  # fmt: skip
def test_passwords_are_cut(url: str, told: str) -> None:
    """Up to the last @ of the word, as clients read them."""
    assert cut(f"at {url}") == f"at {told}"


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/@me",
        "http://host:8080/users?mail=a@b",
        "https://a/b:1@c",
        "https://a/b@c",
        "http://[::1]:8080/x@y",
        "http://host, ada@example.com",
        "http://host: ada@example.com",
        '{"url":"http://host:8080","mail":"a@b"}',
        "mailto:ada@example.com",
        "://",
        "://a:",
    ],
)
def test_what_holds_no_password_stays(text: str) -> None:
    """Ports, paths and addresses of people."""
    assert cut(text) == text


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(
    st.text(st.sampled_from('@/"\\aä?#'), max_size=8),
    st.text(st.sampled_from("@a.ä"), max_size=4),
)
def test_no_part_of_a_password_stays(inner: str, user: str) -> None:
    """In a line of JSON and in a bare text."""
    said = cut(f"cannot reach postgres://{user}:pass{inner}word@db:5432/shop now")
    assert said == f"cannot reach postgres://{user}:{STARS}@db:5432/shop now"


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["://", "://a:", '://a:"', "://a:b@", "\\", '"://:', "a:"])
def test_every_byte_is_looked_at_once_or_twice(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client sends may be megabytes of the beginnings of URLs."""
    looked = 0

    class Counted:
        """Counts the bytes that the pattern of a word goes over."""

        def __init__(self, pattern: object) -> None:
            self._pattern = pattern

        def match(self, line: bytes, begin: int) -> object:
            nonlocal looked
            found = self._pattern.match(line, begin)  # type: ignore[attr-defined]
            looked += found.end() - begin
            return found

    from podready.runtime import url_passwords

    monkeypatch.setattr(url_passwords, "_WORD", Counted(url_passwords._WORD))
    line = unit.encode() * (300_000 // len(unit))
    without_passwords(line)
    without_passwords(line + b"@")
    assert looked <= 2 * (len(line) + 1)


def test_they_are_cut_out_of_every_kind_of_line(events: Events) -> None:
    """Messages, fields, exceptions, prints, and what a client sends."""
    found = events(
        """
        url = "https://u:hun@ter2@h/x"
        log.info(url)
        log.info("x", extra={"url": url, "deep": [{"url": url}]})
        print(url)
        try: raise OSError(url)
        except OSError: log.exception("no cache")
        log_request(ServedRequest("GET", f"/proxy/{url}", 200), "r1")
        log_request(ServedRequest("GET", "/", 200, 0, 0.0, "10.0.0.9", f"curl {url}"), "r1")
        log_request(ServedRequest("GET", "/", 200), url)
        """
    )
    assert len(found) == 7
    assert "ter2" not in json.dumps(found)
    assert all("https://u:[redacted]@h/x" in json.dumps(event) for event in found)
