"""Sections: settings inside settings, their names, defaults and absence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NewType

import pytest

import podready
from podready.errors import SettingsError

Region = NewType("Region", str)


class Database(podready.Settings):
    url: podready.Secret[str]
    pool: int = 5


@dataclass
class Cache:
    host: str = "localhost"
    ttl: dict[str, int] = field(default_factory=dict)


class Mail(podready.Settings, prefix="SMTP_"):
    host: str = "localhost"


class Shop(podready.Settings, prefix="SHOP_"):
    database: Database
    cache: Cache
    mail: Mail
    replica: Database | None = None
    archive: Database = podready.var(default=Database(url=podready.Secret("x"), pool=9), env="OLD")
    region: Region = Region("eu")
    tags: Annotated[Sequence[str], "seen"] = ("a",)
    limits: Mapping[str, int] = podready.var(default={}, key_separator=":", separator=";")


def problems_of(cls: type[podready.Settings], environ: dict[str, str]) -> str:
    """Return the report that loading `cls` from `environ` ends with."""
    with pytest.raises(SettingsError) as raised:
        cls.load(environ)
    return str(raised.value)


def test_the_names_of_variables_in_sections() -> None:
    """Prefix, section, field; a section's own prefix and a name given by `env` stand instead."""
    assert [variable.name for variable in Shop.variables()] == [
        "SHOP_DATABASE_URL", "SHOP_DATABASE_POOL", "SHOP_CACHE_HOST", "SHOP_CACHE_TTL",
        "SMTP_HOST", "SHOP_REPLICA_URL", "SHOP_REPLICA_POOL", "OLD_URL", "OLD_POOL",
        "SHOP_REGION", "SHOP_TAGS", "SHOP_LIMITS",
    ]  # fmt: skip


def test_sections_are_instances_of_their_classes() -> None:
    """Of Settings and of plain dataclasses."""
    loaded = Shop.load({"SHOP_DATABASE_URL": "u", "SHOP_CACHE_TTL": "a=1", "SMTP_HOST": "m"})
    assert loaded.database == Database(url=podready.Secret("u"))
    assert (loaded.cache, loaded.mail.host) == (Cache(ttl={"a": 1}), "m")
    assert (loaded.archive.pool, loaded.tags, loaded.region) == (9, ("a",), "eu")


def test_a_section_that_may_be_missing_is_none_until_one_of_its_variables_is_set() -> None:
    """Then what it requires is required."""
    environ = {"SHOP_DATABASE_URL": "u"}
    assert Shop.load(environ).replica is None
    assert "SHOP_REPLICA_URL  missing" in problems_of(Shop, {**environ, "SHOP_REPLICA_POOL": "2"})
    loaded = Shop.load({**environ, "SHOP_REPLICA_URL": "r"})
    assert loaded.replica == Database(url=podready.Secret("r"))


def test_problems_of_all_sections_come_at_once() -> None:
    """By full names, with near misses inside sections."""
    report = problems_of(
        Shop, {"SHOP_CACHE_HOSTS": "x", "SHOP_DATABASE_POOL": "y", "SHOP_LIMITS": "a=1"}
    )
    assert "SHOP_CACHE_HOSTS    unknown  did you mean SHOP_CACHE_HOST?" in report
    assert 'SHOP_DATABASE_POOL  invalid  "y" is not an integer' in report
    assert "has an item without :" in report


def test_maps_and_lists_have_separators_of_their_choice() -> None:
    """`a:1;b:2`."""
    environ = {"SHOP_DATABASE_URL": "u", "SHOP_LIMITS": "a:1; b:2", "SHOP_TAGS": "x,y"}
    loaded = Shop.load(environ)
    assert (loaded.limits, loaded.tags) == ({"a": 1, "b": 2}, ("x", "y"))


def test_a_default_in_code_is_used_as_it_is() -> None:
    """Made by hand, as in tests."""
    made = Shop(database=Database(url=podready.Secret("x")), cache=Cache(), mail=Mail())
    assert (made.archive.pool, made.replica) == (9, None)


class Deep(podready.Settings, prefix="D_", delimiter="__"):
    database: Database


def test_the_delimiter_is_a_choice() -> None:
    """As pydantic-settings' env_nested_delimiter."""
    assert Deep.load({"D_DATABASE__URL": "u"}).database.pool == 5


class Twice(podready.Settings):
    host: str
    other: str = podready.var(env="HOST")


def test_two_fields_with_one_variable_are_the_authors_mistake() -> None:
    """A TypeError that names both class and variable."""
    with pytest.raises(TypeError, match="Twice: two fields read HOST"):
        Twice.variables()


class Range(podready.Settings, prefix="R_"):
    low: int = 1
    high: int = 2
    key: podready.Secret[str] = podready.var(default="k")

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if self.low > self.high:
            raise ValueError(f"R_LOW is more than R_HIGH ({self.key.reveal()})")


def test_a_check_of_the_whole_class_is_a_problem_in_the_report() -> None:
    """A ValueError of __post_init__, without the secret that it repeats."""
    report = problems_of(Range, {"R_LOW": "3", "R_KEY": "hunter2"})
    assert "R_*  invalid  R_LOW is more than R_HIGH (**********)" in report


class Odd(podready.Settings):
    token: str = podready.var(parser=lambda text: str(int(text)))


def test_what_a_parser_says_is_cleaned_of_a_secret() -> None:
    """int() repeats its argument; the name says that it is a secret."""
    assert "hunter2" not in problems_of(Odd, {"TOKEN": "hunter2"})


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type` statements are of Python 3.12")
def test_type_statements_stand_for_what_they_name(tmp_path: Path) -> None:
    """Of a value, a list, None, a secret and a section."""
    (tmp_path / "aliases.py").write_text(
        "import podready\n"
        "class Part(podready.Settings):\n    size: int = 1\n"
        "type Port = int\ntype Ports = list[Port]\ntype Maybe = Part | None\n"
        "class App(podready.Settings):\n    port: Port\n    ports: Ports\n    part: Maybe = None\n"
        "    key: podready.Secret[Port]\n"
        "given = {'PORT': '1', 'PORTS': '1,2', 'KEY': '3', 'PART_SIZE': '4'}\n"
        "loaded = App.load(given)\n"
        "print(loaded.port, loaded.ports, loaded.key.reveal(), loaded.part.size)\n"
    )
    done = subprocess.run(
        [sys.executable, "aliases.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1 [1, 2] 3 4\n"
