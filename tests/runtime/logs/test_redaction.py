"""Redaction: secrets are starred by the names of their fields, whatever carries them."""

from __future__ import annotations

import itertools
import json
import types
from collections import OrderedDict, UserDict, defaultdict
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podready.runtime.logs.encoder import JSON, Encoder, orjson_encoder
from podready.runtime.logs.log import Log
from podready.runtime.logs.options import FORMATS, LogOptions
from podready.runtime.logs.redaction import Redaction
from podready.runtime.url_passwords import STARS

if TYPE_CHECKING:
    from .conftest import Events


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD",
        "db_password",
        "dbPassword",
        "passwd",
        "client_secret",
        "secretKey",
        "token",
        "access_token",
        "X-Auth-Token",
        "Authorization",
        "cookie",
        "Set-Cookie",
        "api_key",
        "apikey",
        "x-api-key",
        "PRIVATE_KEY",
        "dsn",
        "SENTRY_DSN",
        "credentials",
        "jwt",
        "pwd",
        "PGPASSWORD",
        "dbpassword",
        "MYSQL_PWD",
        "passwords",
        "secrets",
        "clientsecret",
        "cookies",
        "access_tokens",
        "refreshtokens",
        "accesstoken",
        "api_keys",
        "apiKeys",
        "private_key_pem",
        "privatekey",
        "password_reset_at",
        "AWS_SECRET_ACCESS_KEY",
        "jwts",
    ],
)
def test_secret_names(name: str) -> None:
    """In any of the ways in which people write names."""
    assert Redaction().apply({name: "hunter2", "order": 1}) == {name: STARS, "order": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "order",
        "key",
        "keys",
        "token_count",
        "max_tokens",
        "primary_key",
        "monkey",
        "author",
        "compass",
        "path",
        "user",
        "status",
        "tokenizer",
        "secretary",
        "secretaries",
        "passwordless",
        "tokens",
        "prompt_tokens",
        "private_key_id",
        "access_key_id",
        "foreign_keys",
        "public_key",
        "accesses",
        "preauthorization",
    ],
)
def test_harmless_names(name: str) -> None:
    """A log without its fields helps nobody."""
    fields = {name: "shown"}
    assert Redaction().apply(fields) is fields or Redaction().apply(fields) == fields


def test_nested_values_are_looked_into() -> None:
    """Dictionaries in dictionaries and in lists; the caller's own stay as they are."""
    headers = {"Authorization": "Bearer x", "accept": "*/*"}
    fields = {"request": {"headers": headers}, "all": [headers, 1], "pair": (1, 2)}
    assert Redaction().apply(fields) == {
        "request": {"headers": {"Authorization": STARS, "accept": "*/*"}},
        "all": [{"Authorization": STARS, "accept": "*/*"}, 1],
        "pair": (1, 2),
    }
    assert headers["Authorization"] == "Bearer x"


def test_names_of_the_apps_own() -> None:
    """PODREADY_LOG_REDACT adds to the list."""
    assert Redaction(["Iban"]).apply({"iban": "DE00", "x": 1}) == {"iban": STARS, "x": 1}


def test_a_name_is_judged_once() -> None:
    """What was safe is known to be; secrets and reserved names never are."""
    redaction = Redaction((), {"message"})
    redaction.apply({"order": 1, "who": "ada", "token": "x", "message": "y"})
    assert redaction.known_safe == {"order", "who"}


@pytest.mark.parametrize(
    ("value", "hides"),
    [
        ({"a": 1}, False),
        ({"password": 1}, True),
        ([1, {"a": {"token": 1}}], True),
        ([{"a": 1}, [2, {"b": 3}]], False),
        ((1, ({"api_key": 1},)), True),
        ("password", False),
    ],
)
def test_containers_are_looked_into_before_they_are_copied(value: object, hides: bool) -> None:
    """A line is only made twice when there is something to hide."""
    for _ in range(2):
        assert Redaction().hides({"value": value}) is hides


def log_of(format_: str, encoder: Encoder) -> Log:
    """Return a log of a format that nobody reads."""
    log = Log()
    log.encoder = encoder
    log.choose(LogOptions(format=format_))
    return log


LOGS = {format_: log_of(format_, orjson_encoder()) for format_ in FORMATS}


class Login(NamedTuple):
    """A class whose text shows its names and values."""

    user: str
    password: str


class Rows(list[object]):
    """What a database driver returns."""


class Key(Enum):
    """A name that an encoder writes by its value."""

    PASSWORD = "password"


def nested(value: object, depth: int) -> object:
    """Return the value inside of that many dictionaries and lists."""
    for turn in range(depth):
        value = {"inside": value} if turn % 2 else [value]
    return value


@pytest.mark.slow
@pytest.mark.parametrize(
    "value",
    [
        OrderedDict(password="hunter2"),
        defaultdict(str, password="hunter2"),
        types.MappingProxyType({"password": "hunter2"}),
        {Key.PASSWORD: "hunter2"},
        [OrderedDict(token="hunter2")],
        ({"a": types.MappingProxyType({"api_key": "hunter2"})},),
        Login("ada", "hunter2"),
        [Login("ada", "hunter2")],
        {"deep": (1, Login("ada", "hunter2"))},
        Rows([{"password": "hunter2"}]),
        Rows([Login("ada", "hunter2")]),
        UserDict(password="hunter2"),
        nested({"password": "hunter2"}, 10),
        nested({"password": "hunter2"}, 19),
        nested({"password": "hunter2"}, 40),
        nested({"password": "hunter2"}, 400),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("format_", FORMATS)
def test_secrets_in_mappings_of_every_kind_and_depth(value: object, format_: str) -> None:
    """What an encoder makes an object of is looked into; what is too deep is left out."""
    for output, _ in itertools.product((LOGS[format_], log_of(format_, JSON)), range(2)):
        line = output.line(20, "paid", "shop", 1.0, {"order": 1, "value": value})
        assert b"hunter2" not in line
        assert b"paid" in line


def test_what_holds_itself_many_times_over_has_an_end() -> None:
    """A list of fifty times itself is 50 to the power of its depth values."""
    loop: list[Any] = []
    loop += [loop] * 50
    line = Log().line(20, "paid", "shop", 1.0, {"loop": loop, "password": "hunter2"})
    assert json.loads(line)["message"] == "paid"
    assert b"hunter2" not in line


SECRETS = st.sampled_from(["password", "api_key", "Authorization", "sentryDsn", "access_token"])
HARMLESS = st.sampled_from(["order", "user", "a", "message", "level", "{", "password_hint{"])
MAPPINGS = st.sampled_from([dict, OrderedDict, lambda pairs: defaultdict(list, pairs)])
SCALARS = st.none() | st.integers() | st.sampled_from(["x", "{", "{{", "}"]) | st.floats()


def mappings(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return dictionaries of several classes that may have a secret among their values."""
    hidden = st.dictionaries(SECRETS, st.just("hunter2"), max_size=1)
    shown = st.dictionaries(HARMLESS, inner, max_size=3)
    return st.builds(lambda kind, one, two: kind({**one, **two}), MAPPINGS, hidden, shown)


VALUES = st.recursive(
    SCALARS, lambda inner: mappings(inner) | st.lists(inner, max_size=3) | st.tuples(inner)
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mappings(VALUES))
def test_no_secret_gets_through_by_any_way(fields: dict[str, Any]) -> None:
    """In any format, with and without details, the first time and when all names are known."""
    for output in LOGS.values():
        for way in (output.line, output.line):
            line = way(20, "paid", "shop", 1.0, dict(fields))
            assert b"hunter2" not in line
            assert b"paid" in line


def test_extras_and_events_are_redacted_on_their_way_out(events: Events) -> None:
    """The standard library's records, podready's own events, and exceptions' texts."""
    found = events(
        """
        log.info("login", extra={"user": "ada", "password": "hunter2"})
        logs.log_event("INFO", "x", api_key="hunter2")
        logs.context.set({"token": "hunter2"})
        try: raise OSError("cannot reach redis://:hunter2@cache/0")
        except OSError: log.exception("no cache")
        """
    )
    assert "hunter2" not in json.dumps(found)
    assert (found[0]["user"], found[0]["password"]) == ("ada", STARS)
