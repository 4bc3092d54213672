"""Whatever is in the environment: a value or a report, never a traceback, never a secret.

Bytes that are not UTF-8, control characters, near misses, files and references, in any variable
of a class that has every kind of field, checks of its own that fail in odd ways, and sections.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import ipaddress
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import attrs
import msgspec
import pydantic
import pydantic_settings
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import podready
from podready.runtime.settings.load import Reading, Schema
from podready.runtime.settings.report import render_report
from podready.settings import ByteSize, LogLevel, Secret, Url, adapt

pytestmark = pytest.mark.slow

CANARY = "hunter2"
"""In every secret; nothing else holds it."""


class Colour(enum.Enum):
    RED = "r"


def shout(text: str) -> int:
    """Refuse a text, and repeat it in a form of its own."""
    raise ValueError(f"no number: {text.strip()!r} {text.swapcase()} {text}")


def look_up(text: str) -> int:
    """Fail as people's code fails."""
    return {"one": 1}[text]


class Database(podready.Settings):
    url: Secret[Url]
    pool: int = 5

    def __post_init__(self) -> None:
        if self.pool > 10:
            raise ValueError(f"{self.pool} are too many for {self.url.reveal()}")


class Everything(podready.Settings, prefix="APP_"):
    text: str = "t"
    raw: bytes = b""
    number: int = 1
    ratio: float = 1.0
    debug: bool = False
    colour: Colour = Colour.RED
    mode: Literal["a", "b"] = "a"
    wait: dt.timedelta = podready.var(default="5s")
    at: dt.datetime | None = None
    day: dt.date | None = None
    hour: dt.time | None = None
    price: decimal.Decimal = decimal.Decimal(1)
    ident: uuid.UUID | None = None
    address: ipaddress.IPv4Address | None = None
    network: ipaddress.IPv6Network | None = None
    home: Path = Path("/")
    size: ByteSize = podready.var(default="1Mi")
    level: LogLevel = LogLevel.INFO
    url: Url = podready.var(default="http://h")
    hosts: list[str] = podready.var(default=())
    ports: tuple[int, ...] = ()
    pair: tuple[str, int] = ("a", 1)
    names: frozenset[str] = frozenset()
    limits: dict[str, int] = podready.var(default={})
    nested: dict[str, list[int]] = podready.var(default={})
    items: Sequence[int] = ()
    labels: Mapping[str, str] = podready.var(default={})
    also: Annotated[int, "x"] = 1
    joined: list[int] = podready.var(default=(), expand=True)
    empty: str | None = podready.var(default=None, allow_empty=True)
    own: int = podready.var(default=1, parser=look_up)
    api_keys: list[int] = podready.var(default=())
    token: int = podready.var(default=1, parser=shout)
    key: Secret[str] = podready.var(default="")
    pins: list[Secret[int]] = podready.var(default=())
    coded: Secret[bytes] = podready.var(default="00", parser=bytes.fromhex)
    main: Database
    spare: Database | None = None

    def __post_init__(self) -> None:
        if self.debug:
            raise ValueError(f"not with {self.key.reveal()} {self.key.reveal()!r}")
        if self.number > 9:
            raise KeyError(self.key.reveal())


def dies_of(value: str) -> None:
    """Refuse a value in the worst way."""
    raise LookupError(value)


@attrs.frozen
class Attrs:
    key: Secret[str]
    colour: str = attrs.field(validator=lambda _self, _field, value: dies_of(value))
    number: int = attrs.field(validator=attrs.validators.ge(5))
    password: str = attrs.field(validator=attrs.validators.matches_re("^x"), default="x")
    token: int = attrs.field(converter=int, default=1)


class Struct(msgspec.Struct):
    key: Secret[str]
    number: Annotated[int, msgspec.Meta(ge=5)] = 5
    password: Annotated[str, msgspec.Meta(min_length=20)] = "x" * 20
    tokens: list[int] = []
    raw: bytes = b""

    def __post_init__(self) -> None:
        dies_of(self.key.reveal())


class Inner(pydantic.BaseModel):
    password: pydantic.SecretStr = pydantic.SecretStr("")
    size: int = 1

    @pydantic.field_validator("size")
    @classmethod
    def refuse(cls, size: int, info: pydantic.ValidationInfo) -> int:
        held = info.data["password"].get_secret_value() if info.data else ""
        raise ValueError(f"{size} is too small for {held}")


class Pydantic(pydantic_settings.BaseSettings):
    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix="APP_", env_nested_delimiter="__"
    )

    key: pydantic.SecretStr = pydantic.Field(min_length=12)
    number: int = 1
    password: str = pydantic.Field(default="x", pattern="^x")
    dsn: pydantic.PostgresDsn | None = None
    tokens: list[int] = []
    pins: list[pydantic.SecretStr] = []
    hosts: list[str] = []
    inner: Inner = Inner.model_construct()

    @pydantic.model_validator(mode="after")
    def check(self) -> Pydantic:
        if self.number > 5:
            held = self.inner.password.get_secret_value()
            raise ValueError(f"not with {self.key.get_secret_value()} and {held}")
        dies_of(self.key.get_secret_value())
        return self


SCHEMAS: list[Schema] = [
    Everything.schema(),
    adapt(Attrs, prefix="APP_"),
    adapt(Struct, prefix="APP_"),
    adapt(Pydantic),
]

LIKELY = [
    "1", "0", "12", "true", "x", "a,b", "1,x", "[1]", "[", "{", '{"a": 1}', "a=1", "a=1,a=2", "",
    "tcp://10.0.0.7:80", "5m", "${APP_KEY}", "1,${APP_KEY},${APP_NOSUCH}", "/", "/nowhere", "\0",
    "http://u:p@h/", "64MiB", "9" * 5000, "\x1b[31m", "\udcff", " ", "\n",
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(LIKELY), st.text(), st.binary(max_size=20).map(os.fsdecode))
SECRETS = st.one_of(
    st.just(CANARY),
    st.sampled_from(
        [
            "postgres://u:{}@h/d", "postgres://{}@", "http://u:{}@h:x/", "1,{}", "a={}", "[{}",
            '["{}", null]', "{}\nsecond line", "'{}'\t\\", "{}${{APP_X}}", " {} ",
        ]
    ).map(lambda form: form.format(CANARY)),
    st.text().map(lambda text: CANARY + text),
)  # fmt: skip


def environments(schema: Schema) -> st.SearchStrategy[dict[str, str]]:
    """Any texts for any variables of a class, its secrets with the canary, and others near it."""
    variables = schema.variables()
    each = {
        name: SECRETS if variable.sensitive else TEXTS
        for variable in variables
        for name in (variable.name, variable.name + "_FILE")
    }
    for section in schema.section.sections():  # a whole section as JSON
        inner = SECRETS.map(lambda text: json.dumps({"password": text, "size": 2}))
        each |= dict.fromkeys(section.aliases, st.one_of(TEXTS, SECRETS, inner))
    near = st.sampled_from([v.name for v in variables]).flatmap(
        lambda name: st.integers(0, len(name) - 1).map(lambda at: name[:at] + "X" + name[at:])
    )
    return st.tuples(
        st.fixed_dictionaries({}, optional=each),
        st.dictionaries(st.one_of(near, st.text(min_size=1)), TEXTS, max_size=3),
    ).map(lambda pair: {**pair[1], **pair[0]})


def usable(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what an environment can hold: pydantic-settings reads the process's own."""
    return {
        name: text
        for name, text in environ.items()
        if "=" not in name and "\0" not in name + text and _encodes(name + text)
    }


def _encodes(text: str) -> bool:
    try:
        return bool(os.fsencode(text)) or not text
    except UnicodeEncodeError:
        return False


def assert_clean(reading: Reading, prefix: str) -> None:
    """A value that hides its secrets, or a report that is fit to print."""
    if not reading.problems:
        assert CANARY not in repr(reading.value)
        return
    report = render_report(reading.problems, prefix)
    assert CANARY not in report.lower()
    assert all(line.isprintable() for line in report.split("\n"))
    assert report.count("\n") == len(reading.problems)


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.kind.__name__)
def test_any_environment_gives_a_value_or_a_report_without_a_secret(schema: Schema) -> None:
    """In each kind of class; a value hides its secrets too."""
    of_pydantic = schema.kind is Pydantic

    @settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(environments(schema))
    def check(environ: dict[str, str]) -> None:
        reading = schema.read(usable(environ) if of_pydantic else environ)
        assert reading.problems or schema.kind is Everything  # the others' checks always fail
        assert_clean(reading, schema.options.prefix)

    check()


@given(
    files=st.dictionaries(st.sampled_from(["number", "url", "MAIN/POOL", "raw"]), st.binary()),
    secret=SECRETS,
)
def test_any_bytes_in_mounted_files_give_a_value_or_a_report(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], secret: str
) -> None:
    """A config tree and a `.env` with anything in them."""
    folder = tmp_path_factory.mktemp("volume")
    for name, content in {**files, "main/url": secret.encode()}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / ".env").write_bytes(b"APP_TOKEN=" + secret.encode() + files.get("raw", b""))
    options = Everything.schema().options
    options = options.replace(directories=(str(folder),), env_file=str(folder / ".env"))
    assert_clean(Schema(Everything, options).read({}, allow_env_file=True), "APP_")


APP = """
import podready
class App(podready.Settings, prefix="APP_"):
    key: podready.Secret[str]
    number: int
    def __post_init__(self):
        raise KeyError(self.key.reveal())
App.load()
"""


@pytest.mark.parametrize("number", [b"\xff\xfe", b"\x1b[31m", b"7"])
@pytest.mark.parametrize("flags", [[], ["-X", "dev"]], ids=["plain", "dev"])
def test_a_real_process_with_bytes_of_any_kind(
    tmp_path: Path, number: bytes, flags: list[str]
) -> None:
    """The operating system hands over bytes, and stderr has to take the report."""
    ended = subprocess.run(
        [sys.executable, *flags, "-c", APP],
        env={b"APP_KEY": CANARY.encode() + b"\xff", b"APP_NUMBER": number, b"LC_ALL": b"C"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    assert ended.stderr.startswith(b"settings: 1 problem (APP_*)\n")
    assert CANARY.encode() not in ended.stderr + ended.stdout
    assert b"Traceback" not in ended.stderr
