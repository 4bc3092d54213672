"""Flags of other servers: each is podready's own too, works, or ends with one sentence."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from podready.errors import UsageError
from podready.runtime.options.foreign_flags import translate
from podready.runtime.run_config import OPTIONS, load_config

OWN = {option.flag for option in OPTIONS} | {"--help", "-h"}


def click_flags(module: str, command: str) -> set[str]:
    """Return the flags of a click command."""
    found = getattr(importlib.import_module(module), command)
    options = (each for each in found.params if each.param_type_name == "option")
    return {flag for option in options for flag in (*option.opts, *option.secondary_opts)}


def gunicorn_flags() -> set[str]:
    """Return the flags in gunicorn's table of settings."""
    table = importlib.import_module("gunicorn.config").KNOWN_SETTINGS
    return {flag for setting in table for flag in setting.cli or ()}


def hypercorn_flags() -> set[str]:
    """Return the flags in the source of hypercorn's command."""
    source = inspect.getsource(importlib.import_module("hypercorn.__main__"))
    return set(re.findall(r'"(--?[a-zA-Z][\w-]*)"', source))


PEERS = {
    "uvicorn": click_flags("uvicorn.main", "main"),
    "granian": click_flags("granian.cli", "cli"),
    "gunicorn": gunicorn_flags(),
    "hypercorn": hypercorn_flags(),
}


@pytest.mark.parametrize("server", PEERS)
def test_every_flag_of_the_server_is_known(server: str) -> None:
    """Complete for the versions that are installed here; a new flag of theirs is noticed."""
    flags = PEERS[server]
    assert len(flags) > 40
    assert [flag for flag in sorted(flags - OWN) if not is_known(flag)] == []


def is_known(flag: str) -> bool:
    """Return whether a flag works, is refused with a sentence, or negates one of podready's."""
    try:
        words = translate(flag, ["1"])
    except UsageError as error:
        return "\n" not in str(error)
    return words is not None or f"--{flag.removeprefix('--no-')}" in OWN


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["-w", "4"], {"workers": 4}),
        (["-w4"], {"workers": 4}),
        (["-w=4"], {"workers": 4}),
        (["-b", "127.0.0.1:80"], {"host": "127.0.0.1", "port": 80}),
        (["--bind", "127.0.0.1:80"], {"host": "127.0.0.1", "port": 80}),
        (["--bind=127.0.0.1:80"], {"host": "127.0.0.1", "port": 80}),
        (["--bind", ":80"], {"host": "0.0.0.0", "port": 80}),
        (["--bind", "[::]:80"], {"host": "::", "port": 80}),
        (["--bind", "localhost"], {"host": "localhost", "port": 8000}),
    ],
)
def test_what_works_as_it_does_there(words: list[str], facts: dict[str, object]) -> None:
    """Workers and the address of gunicorn and hypercorn."""
    config = load_config([*words, "main:app"], {})
    assert {name: getattr(config, name) for name in facts} == facts
    assert config.app == "main:app"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--reload", "podready run has no --reload: it is for development; use `uvicorn --reload`"),
        ("--ssl-keyfile x", "podready run has no --ssl-keyfile: TLS ends at the Ingress"),
        ("--certfile=x", "podready run has no --certfile: TLS ends"),
        ("--uds /x", "podready run has no --uds: the app listens on one TCP address"),
        ("--bind unix:/x", "--bind unix:/x: the app listens on one TCP address"),
        ("--bind fd://3", "--bind fd://3: the app listens on one TCP address"),
        ("--bind 8000", "--bind 8000: the app listens on one TCP address"),
        ("-b :80 --bind :81", "--bind :81: the app listens on one TCP address"),
        ("-b", "-b needs a value"),
        ("--graceful-timeout 30", "has no --graceful-timeout: say --grace-period"),
        ("--timeout-keep-alive 5", "has no --timeout-keep-alive: say --keep-alive-timeout"),
        ("--timeout 30", "a worker that hangs is found by --stall-timeout"),
        ("-k uvicorn.workers.UvicornWorker", "has no -k: the app's parameters say what it speaks"),
        ("--no-proxy-headers", "forwarded headers have no flag yet"),
        ("--forwarded-allow-ips *", "forwarded headers have no flag yet"),
        ("--limit-max-requests 9", "say --max-requests"),
        ("--preload", "each worker imports the app itself"),
        ("-D", "stays in the foreground"),
        ("-c x.py", "there is no configuration file"),
        ("--no-server-header", "headers of answers are set by the app"),
    ],
)
def test_what_does_not_ends_with_a_sentence(words: str, sentence: str) -> None:
    """The sentence says what to do instead."""
    with pytest.raises(UsageError) as error:
        load_config(["main:app", *words.split()], {})
    assert sentence in str(error.value)
