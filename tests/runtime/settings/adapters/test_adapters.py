"""Classes of pydantic-settings, attrs, msgspec and dataclasses: one report, by our rules."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

import podready
from podready.errors import SettingsError
from podready.runtime.settings.load import Schema
from podready.runtime.settings.report import render_report
from podready.settings import adapt


def report(schema: Schema, environ: dict[str, str]) -> str:
    """Return what is wrong, as it is printed."""
    problems = schema.read(environ).problems
    return render_report(problems, schema.options.prefix) if problems else ""


def squeezed(text: str) -> str:
    """Return a report without its columns."""
    return " ".join(text.split())


class Database(pydantic.BaseModel):
    host: str
    port: int = 5432


class Mail(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="MAIL_")

    host: str
    password: pydantic.SecretStr


class Shop(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SHOP_", env_nested_delimiter="__")

    port: int = 8080  # where it listens
    database: Database
    secret_key: pydantic.SecretStr = pydantic.Field(min_length=8, description="signs")
    api_token: str = pydantic.Field(default="", pattern="^[a-z]*$")
    hosts: list[str] = []
    mode: Literal["fast", "safe"] = "safe"
    region: str = pydantic.Field(
        default="eu", validation_alias=pydantic.AliasChoices("REGION", "ZONE")
    )
    debug: bool = False


GOOD = {"SHOP_DATABASE__HOST": "db", "SHOP_SECRET_KEY": "hunter2-token"}
BAD = {
    "SHOP_PORT": "80a",
    "SHOP_DATABASE__PORT": "x",
    "SHOP_SECRET_KEY": "hunter2",
    "SHOP_API_TOKEN": "HUNTER2",
    "SHOP_HOSTS": "a,b",
    "SHOP_MODE": "slow",
    "SHOP_DEBGU": "1",
}


def test_pydantic_settings_reads_as_ever() -> None:
    """The instance is the one that pydantic-settings makes, in its own environment."""
    environ = {**GOOD, "SHOP_HOSTS": '["a"]', "zone": "us", "shop_port": "1"}
    loaded = adapt(Shop).load(environ)
    assert type(loaded) is Shop
    assert (loaded.port, loaded.database.host, loaded.hosts, loaded.region) == (
        1,
        "db",
        ["a"],
        "us",
    )
    assert "SHOP_SECRET_KEY" not in os.environ


def test_pydantic_settings_problems_come_at_once_by_their_variables() -> None:
    """Unparsable, missing, no JSON, misspelt; no traceback, no value of a secret."""
    text = report(adapt(Shop), BAD)
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines()[1:]}
    assert text.startswith("settings: 8 problems (SHOP_*)\n")
    assert lines["SHOP_PORT"].startswith(
        'invalid "80a" is refused: input should be a valid integer'
    )
    assert lines["SHOP_PORT"].endswith("(int, default 8080) where it listens")
    assert lines["SHOP_DATABASE__HOST"].startswith("missing required")
    assert lines["SHOP_DATABASE__PORT"].startswith('invalid "x"')
    assert lines["SHOP_SECRET_KEY"] == (
        "invalid is not a valid SecretStr (SecretStr, required) signs (value hidden)"
    )
    assert lines["SHOP_HOSTS"].startswith('invalid "a,b" is not JSON')
    assert "input should be 'fast' or 'safe'" in lines["SHOP_MODE"]
    assert lines["SHOP_DEBGU"] == "unknown did you mean SHOP_DEBUG?"
    assert "hunter2" not in text.lower()


def test_pydantic_settings_loads_or_raises_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """SettingsError, written once, exit code 78; the environment is as it was."""
    before = dict(os.environ)
    with pytest.raises(SettingsError) as raised:
        adapt(Shop).load(BAD)
    assert capsys.readouterr().err == f"{raised.value}\n"
    assert (raised.value.code, dict(os.environ)) == (78, before)


def test_pydantic_settings_values_may_come_from_files(tmp_path: Path) -> None:
    """NAME_FILE, which pydantic-settings does not know."""
    file = tmp_path / "key"
    file.write_text("hunter2-token\n")
    environ = {"SHOP_DATABASE__HOST": "db", "SHOP_SECRET_KEY_FILE": str(file)}
    reading = adapt(Shop).read(environ)
    assert reading.value.secret_key.get_secret_value() == "hunter2-token"
    assert reading.raw_values["SHOP_SECRET_KEY"].source == f"file {file}"
    gone = {**environ, "SHOP_SECRET_KEY_FILE": "/nowhere/key"}
    assert "SHOP_SECRET_KEY_FILE  invalid  cannot read" in report(adapt(Shop), gone)


class Whole(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="WHOLE_")

    mail: Mail = pydantic.Field(default_factory=Mail)  # type: ignore[arg-type]
    low: int = 1
    high: int = 2
    raw: Annotated[list[str], NoDecode] = []
    dsn: pydantic.PostgresDsn | None = None

    @pydantic.field_validator("raw", mode="before")
    @classmethod
    def split(cls, value: Any) -> Any:
        """The usual way to commas."""
        return value.split(",") if isinstance(value, str) else value

    @pydantic.model_validator(mode="after")
    def ordered(self) -> Whole:
        """Refuse what does not fit together."""
        if self.low > self.high:
            raise ValueError(f"low is above high, {self.mail.password.get_secret_value()}")
        return self


def test_a_settings_class_inside_another_has_its_own_names() -> None:
    """`Field(default_factory=Mail)` reads MAIL_*; problems of both come at once."""
    names = [variable.name for variable in adapt(Whole).variables()]
    assert names[:3] == ["MAIL_HOST", "MAIL_PASSWORD", "WHOLE_LOW"]
    text = report(adapt(Whole), {"WHOLE_LOW": "x", "WHOLE_DSN": "postgres://u:hunter2@/"})
    assert "MAIL_HOST      missing" in text
    assert "MAIL_PASSWORD  missing" in text
    assert 'WHOLE_LOW      invalid  "x"' in text
    assert "hunter2" not in text


def test_a_validator_of_the_whole_class_is_in_the_report_without_secrets() -> None:
    """pydantic would print its input."""
    environ = {"MAIL_HOST": "m", "MAIL_PASSWORD": "hunter2", "WHOLE_LOW": "3"}
    assert "WHOLE_*  invalid  is refused: low is above high, *****" in report(adapt(Whole), environ)
    good = adapt(Whole).load({**environ, "WHOLE_LOW": "1", "WHOLE_RAW": "a,b"})
    assert good.raw == ["a", "b"]


@attrs.frozen
class Inner:
    url: podready.Secret[str]


def shouted(text: str) -> str:
    """Return the text in upper case."""
    return text.upper()


def doubled(made: Any) -> int:
    """Return a default that depends on another field."""
    return int(made.port) * 2


@attrs.frozen
class Attrs:
    database: Inner
    port: int = attrs.field(default=1, validator=attrs.validators.le(9))
    level: int = attrs.field(default=1, validator=attrs.validators.in_([1, 2]))
    tags: list[str] = attrs.field(factory=list, metadata={"separator": ":", "doc": "labels"})
    upper: str = attrs.field(default="", converter=shouted)
    number: int = attrs.field(default=0, converter=int)
    twice: int = attrs.field(default=attrs.Factory(doubled, takes_self=True))
    _hidden: int = attrs.field(default=3, metadata={"env": "HIDDEN"})


def test_attrs_classes() -> None:
    """Nested, with converters, validators, factories and private names."""
    schema = adapt(Attrs, prefix="A_")
    environ = {"A_DATABASE_URL": "u", "A_PORT": "4", "A_TAGS": "a:b", "A_UPPER": "x", "HIDDEN": "5"}
    loaded = schema.load(environ)
    assert loaded == Attrs(
        database=Inner(podready.Secret("u")), port=4, tags=["a", "b"], upper="X", hidden=5
    )
    assert loaded.twice == 8


def test_attrs_problems_are_named_by_their_variables() -> None:
    """Every validator's own, the converter's, and what is missing."""
    schema = adapt(Attrs, prefix="A_")
    text = report(schema, {"A_DATABASE_URL": "u", "A_PORT": "10", "A_LEVEL": "3", "A_TGAS": "x"})
    assert "A_PORT   invalid  \"10\" 'port' must be <= 9: 10" in text
    assert 'A_LEVEL  invalid  "3"' in text
    assert "A_TGAS   unknown" in text
    text = report(schema, {"A_NUMBER": "x"})
    assert "A_DATABASE_URL  missing" in text
    assert 'A_NUMBER        invalid  "x" invalid literal' in text


class Struct(msgspec.Struct, kw_only=True):
    port: Annotated[int, msgspec.Meta(ge=1, description="listens", extra={"env": "PORT"})]
    tags: list[str] = []
    raw: bytes = b""
    token: Annotated[str, msgspec.Meta(min_length=20)] = ""
    wait: Annotated[podready.Secret[str] | None, msgspec.Meta(description="x")] = None


def test_msgspec_structs() -> None:
    """Our lists, msgspec's types and constraints."""
    schema = adapt(Struct, prefix="M_")
    loaded = schema.load({"PORT": "1", "M_TAGS": "a,b", "M_RAW": "aGk="})
    assert loaded == Struct(port=1, tags=["a", "b"], raw=b"hi")
    text = report(schema, {"PORT": "0", "M_TOKEN": "hunter2", "M_TAGGS": "x"})
    assert 'PORT invalid "0" is refused: Expected `int` >= 1 (int, required) listens' in squeezed(
        text
    )
    assert "M_TAGGS  unknown  did you mean M_TAGS?" in text
    assert "hunter2" not in text


@dataclasses.dataclass
class Plain:
    port: int
    hosts: list[str] = dataclasses.field(default_factory=list)


def test_dataclasses_and_our_own_classes() -> None:
    """A dataclass needs only a prefix; a Settings class is taken with its options."""
    assert adapt(Plain, prefix="P_").load({"P_PORT": "1", "P_HOSTS": "a"}) == Plain(1, ["a"])

    class Ours(podready.Settings, prefix="O_"):
        port: int

    assert adapt(Ours).load({"O_PORT": "1"}).port == 1


def test_a_class_without_fields_is_refused() -> None:
    """By a sentence."""
    with pytest.raises(TypeError, match="is not a class of settings"):
        adapt(int)


def test_models_are_sections_of_our_classes() -> None:
    """A pydantic model, an attrs class or a Struct can be a part of podready.Settings."""
    schema = Mixed.schema()
    loaded = schema.load({"X_DATABASE_HOST": "h", "X_STRUCT_PORT": "1", "PORT": "2"})
    assert (loaded.database, loaded.struct.port) == (Database(host="h"), 2)
    assert 'X_DATABASE_PORT  invalid  "70000" is refused' not in report(schema, {})


class Mixed(podready.Settings, prefix="X_"):
    database: Database
    struct: Struct


@pytest.mark.parametrize("library", ["pydantic", "attrs", "msgspec"])
def test_no_library_is_imported_before_its_classes_are_seen(library: str) -> None:
    """The adapters cost an app nothing that it does not use."""
    code = (
        "import sys, dataclasses; from podready.runtime.settings.adapters import adapt\n"
        "cls = dataclasses.make_dataclass('A', [('port', int)])\n"
        f"adapt(cls).load({{'PORT': '1'}}); sys.exit({library!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@pytest.mark.slow
@pytest.mark.parametrize(
    "schema",
    [adapt(Shop), adapt(Attrs, prefix="A_"), adapt(Struct, prefix="M_")],
    ids=["pydantic-settings", "attrs", "msgspec"],
)
def test_any_environment_gives_settings_or_problems(schema: Schema) -> None:
    """Fuzzed values of every variable: nothing is raised, and the report is fit to print."""
    names = st.sampled_from([variable.name for variable in schema.variables()])

    @given(st.dictionaries(names, texts))
    def check(environ: dict[str, str]) -> None:
        text = report(schema, environ)
        assert all(line.isprintable() for line in text.split("\n"))

    check()


class Written(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="W_", env_nested_delimiter="__")

    hosts: list[str] = ["a", "b"]
    limits: dict[str, list[int]] = {"a": [1]}
    wait: timedelta = timedelta(minutes=5)
    size: pydantic.ByteSize = pydantic.ByteSize(2**20)
    site: pydantic.HttpUrl = pydantic.HttpUrl("http://h/p")
    raw: bytes = b"x"
    mode: Literal["a", 1] = "a"
    flag: bool = True


class WrittenStruct(msgspec.Struct):
    raw: bytes = b"hi"
    hosts: list[str] = msgspec.field(default_factory=lambda: ["a", "b"])
    wait: timedelta = timedelta(minutes=5)


@pytest.mark.parametrize("kind", [Written, WrittenStruct])
def test_defaults_are_written_as_their_library_reads_them(kind: Any) -> None:
    """What --format env and configmap write is fit to be applied."""
    schema = adapt(kind, prefix="W_")
    written = {each.name: each.default_text or "" for each in schema.variables()}
    assert len(written) == len(schema.variables())
    assert report(schema, written) == ""
    assert schema.load(written) == schema.load({})


class Login(pydantic.BaseModel):
    password: pydantic.SecretStr


class Repeating(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="R_", env_nested_delimiter="__")

    key: pydantic.SecretStr = pydantic.SecretStr("")
    login: Login | None = None

    @pydantic.model_validator(mode="after")
    def refuse(self) -> Repeating:
        held = self.login.password.get_secret_value() if self.login else ""
        raise ValueError(f"refused: {self.key.get_secret_value()} {held}")


@pytest.mark.parametrize(
    "environ",
    [
        {"R_KEY": "hunter2"},
        {"R_KEY": "hunter2", "R_KEY_FILE": "/nowhere"},
        {"R_LOGIN": '{"password": "hunter2"}'},
        {"R_LOGIN__PASSWORD": "hunter2"},
    ],
)
def test_what_a_validator_repeats_of_a_secret_is_hidden(environ: dict[str, str]) -> None:
    """By whatever way pydantic-settings got it."""
    found = report(adapt(Repeating), environ)
    assert "refused: " in found
    assert "hunter2" not in found
