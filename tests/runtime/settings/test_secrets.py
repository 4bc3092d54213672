"""A secret's value is shown nowhere: reports, texts of settings, parts of them, frames."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pickle
import pprint
import traceback
from pathlib import Path

import msgspec
import orjson
import pytest

import podready
from podready.errors import SettingsError


class Keyed(podready.Settings):
    secret_key: podready.Secret[str]
    pin: podready.Secret[int] = podready.var(default="1234")


class Numbered(podready.Settings, prefix="APP_"):
    port: int = 1


def problems_of(cls: type[podready.Settings], environ: dict[str, str]) -> str:
    """Return the report that loading `cls` from `environ` ends with."""
    with pytest.raises(SettingsError) as raised:
        cls.load(environ)
    return str(raised.value)


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    """Not in reports, not in repr, str, format or a dataclass' repr."""
    assert "hunter2" not in problems_of(Keyed, {"SECRET_KEY": "k", "PIN": "hunter2"})
    file = tmp_path / "pin"
    file.write_text("hunter2")
    assert "hunter2" not in problems_of(Keyed, {"SECRET_KEY": "k", "PIN_FILE": str(file)})
    secret = podready.Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {secret:>20} {Keyed(secret_key=secret)}"


@pytest.mark.parametrize("name", ["TOKEN", "DB_PASSWORD", "API_KEY"])
def test_a_name_that_smells_of_a_secret_hides_its_value(name: str) -> None:
    """Even where the class forgot to say Secret."""

    class Careless(podready.Settings):
        number: int = podready.var(default=1, env=name)

    assert "hunter2" not in problems_of(Careless, {name: "hunter2"})


def test_what_a_parser_says_of_a_secret_by_name_is_not_shown() -> None:
    """It may have changed the text, or taken a part of it."""

    def shout(text: str) -> int:
        raise ValueError(f"no {text.upper()} {text[:4]}")

    class App(podready.Settings):
        api_keys: list[int] = podready.var(default=())
        db_pass: int = podready.var(default=1, parser=shout)
        hosts: list[int] = podready.var(default=(), expand=True)

    environ = {"API_KEYS": "1,hunter2", "DB_PASS": "hunter2", "HOSTS": "1,${X}", "X": "hunter2"}
    report = problems_of(App, environ)
    assert "hunt" not in report.lower()
    assert "API_KEYS  invalid  (value hidden) is not a valid list of int" in report
    assert "once its references are replaced" in report


def test_a_secret_that_is_given_as_the_path_of_its_file_is_not_shown() -> None:
    """A common mistake: the value in NAME_FILE. What looks like a path is shown."""
    report = problems_of(Keyed, {"SECRET_KEY_FILE": "postgres://u:hunter2@h"})
    assert "SECRET_KEY_FILE  invalid  cannot read (hidden: it does not begin with / or .)" in report
    assert 'cannot read "./nosuch"' in problems_of(Keyed, {"SECRET_KEY_FILE": "./nosuch"})


@pytest.mark.parametrize("name", ["DB_PASS", "PWD_OF_X", "PASSPHRASE"])
def test_short_words_hide_a_value_only_as_words(name: str) -> None:
    """BYPASS is none."""

    class App(podready.Settings):
        value: int = podready.var(default=1, env=name)
        bypass: int = 1

    report = problems_of(App, {name: "hunter2", "BYPASS": "x1"})
    assert "hunter2" not in report
    assert '"x1" is not an integer' in report


def test_nothing_that_takes_settings_apart_shows_a_secret() -> None:
    """asdict, vars, pprint and JSON encoders get the mask, or refuse."""
    loaded = Keyed.load({"SECRET_KEY": "hunter2"})
    parts = dataclasses.asdict(loaded)
    shown = [repr(parts), str(vars(loaded)), pprint.pformat(parts), f"{loaded:}"]
    shown.append(json.dumps(parts, default=str))
    assert "hunter2" not in " ".join(shown)
    for encode in (json.dumps, orjson.dumps, msgspec.json.encode):
        with pytest.raises(TypeError):
            encode(loaded)
    assert pickle.loads(pickle.dumps(loaded)) == copy.deepcopy(loaded) == loaded


def test_a_tool_that_logs_local_variables_logs_no_environment() -> None:
    """Error trackers walk a caught error's traceback and keep the locals of every frame."""
    os.environ["APP_PORT"], os.environ["APP_HIDDEN"] = "x", "hunter2"
    try:
        Numbered.load()
    except SettingsError as error:
        frames = traceback.walk_tb(error.__traceback__)
        mine = [frame for frame, _ in frames if "podready" in frame.f_code.co_filename]
        assert mine
        own = [str(frame.f_locals) for frame in mine if frame.f_code.co_filename != __file__]
        assert "hunter2" not in " ".join(own)
    finally:
        del os.environ["APP_PORT"], os.environ["APP_HIDDEN"]


def test_a_secret_in_a_list_is_never_shown() -> None:
    """An item that cannot be read is not quoted either."""

    class Pins(podready.Settings):
        codes: list[podready.Secret[int]]

    assert "hunter2" not in problems_of(Pins, {"CODES": "1,hunter2"})
    assert [code.reveal() for code in Pins.load({"CODES": "1,2"}).codes] == [1, 2]


def test_a_secret_with_a_parser_of_its_own_stays_secret() -> None:
    """A parser given to var() does not take the mask off."""

    class App(podready.Settings):
        key: podready.Secret[bytes] = podready.var(parser=bytes.fromhex)

    assert App.load({"KEY": "00ff"}).key.reveal() == b"\x00\xff"
    assert "hunter2" not in problems_of(App, {"KEY": "hunter2"})


def test_secrets_compare_and_hash_by_value_and_cannot_be_changed() -> None:
    """A Secret behaves as the value it hides, except for showing it."""
    secret = podready.Secret("a")
    assert secret == podready.Secret("a")
    assert {secret: 1}[podready.Secret("a")] == 1
    assert secret != "a"
    assert not podready.Secret("")
    assert pickle.loads(pickle.dumps(secret)) == secret
    with pytest.raises(AttributeError):
        secret._value = "b"
