"""Settings from the environment: values, defaults, files, secrets, one report of all mistakes."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import io
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import podready
from podready.errors import PodreadyError, SettingsError


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


class Everything(podready.Settings, prefix="APP_"):
    port: int = podready.var(default=3000, doc="where the app listens")
    ratio: float = 0.5
    debug: bool = False
    name: str = "app"
    home: Path = Path("/srv")
    colour: Colour = Colour.RED
    mode: Literal["fast", "safe"] = "safe"
    limit: int | None = None
    hosts: list[str] = podready.var(default=(), separator=":")
    ports: tuple[int, ...] = podready.var(default=(1, 2))
    pair: tuple[str, int] = podready.var(default=("a", 1))
    labels: dict[str, int] = podready.var(default={})
    timeout: timedelta = podready.var(default="5m")
    even: int = podready.var(default=2, parser=lambda text: int(text) * 2)


class Keyed(podready.Settings):
    secret_key: podready.Secret[str]
    pin: podready.Secret[int] = podready.var(default="1234")


def problems_of(cls: type[podready.Settings], environ: dict[str, str]) -> str:
    """Return the report that loading `cls` from `environ` ends with."""
    with pytest.raises(SettingsError) as raised:
        cls.load(environ)
    return str(raised.value)


def test_defaults_have_the_types_of_their_fields() -> None:
    """With an empty environment every field has its default, texts and tuples converted."""
    loaded = Everything.load({})
    assert (loaded.hosts, loaded.ports, loaded.labels) == ([], (1, 2), {})
    assert loaded.timeout == timedelta(minutes=5)
    assert Everything() == loaded


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("APP_PORT", "80", "port", 80),
        ("APP_RATIO", "1e-3", "ratio", 0.001),
        ("APP_DEBUG", "Yes", "debug", True),
        ("APP_DEBUG", "off", "debug", False),
        ("APP_NAME", " spaces stay ", "name", " spaces stay "),
        ("APP_HOME", "/x", "home", Path("/x")),
        ("APP_COLOUR", "g", "colour", Colour.GREEN),
        ("APP_COLOUR", "green", "colour", Colour.GREEN),
        ("APP_MODE", "fast", "mode", "fast"),
        ("APP_LIMIT", "7", "limit", 7),
        ("APP_HOSTS", "a:b: c", "hosts", ["a", "b", "c"]),
        ("APP_HOSTS", '["a:1", "b"]', "hosts", ["a:1", "b"]),
        ("APP_PORTS", "80, 81", "ports", (80, 81)),
        ("APP_PORTS", "[80, 81]", "ports", (80, 81)),
        ("APP_PAIR", "x,9", "pair", ("x", 9)),
        ("APP_LABELS", "a=1, b=2", "labels", {"a": 1, "b": 2}),
        ("APP_LABELS", '{"a": 1}', "labels", {"a": 1}),
        ("APP_TIMEOUT", "1h30m", "timeout", timedelta(hours=1, minutes=30)),
        ("APP_TIMEOUT", "500ms", "timeout", timedelta(milliseconds=500)),
        ("APP_EVEN", "4", "even", 8),
    ],
)
def test_a_text_becomes_the_type_of_its_field(
    variable: str, text: str, field: str, value: Any
) -> None:
    """Each supported type reads its text."""
    assert getattr(Everything.load({variable: text}), field) == value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "text", "what"),
    [
        ("APP_PORT", "80a", '"80a" is not an integer'),
        ("APP_PORT", "tcp://10.0.0.1:80", "set enableServiceLinks: false"),
        ("APP_RATIO", "nan", '"nan" is not a finite number'),
        ("APP_DEBUG", "maybe", '"maybe" is not a boolean: use true or false'),
        ("APP_COLOUR", "blue", '"blue" is not one of r, g'),
        ("APP_MODE", "slow", '"slow" is not one of fast, safe'),
        ("APP_PORTS", "80,x", 'has an item "x" that is not an integer'),
        ("APP_PORTS", "[80", "is not valid JSON"),
        ("APP_PORTS", "[null]", "has an item null"),
        ("APP_PAIR", "x", "has 1 items, not 2"),
        ("APP_LABELS", "a", "has an item without ="),
        ("APP_LABELS", "{1", "is not valid JSON"),
        ("APP_TIMEOUT", "30", '"30" is not a duration such as 500ms, 30s, 5m or 1h30m'),
        ("APP_EVEN", "x", "invalid literal"),
        ("APP_HOSTS", "a::b", "has an empty item"),
        ("APP_LABELS", "a=1,a=2", "has a key twice"),
        ("APP_LABELS", '{"a": 1, "a": 2}', "has a key twice"),
        ("APP_NAME", "", "set but empty"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable(variable: str, text: str, what: str) -> None:
    """The report names the variable, quotes the value and says what was expected."""
    report = problems_of(Everything, {variable: text})
    assert report.startswith("settings: 1 problem (APP_*)\n")
    assert variable in report
    assert what in report


def test_all_problems_are_reported_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Missing, empty, invalid and misspelt variables come in one aligned report."""

    class App(podready.Settings, prefix="APP_"):
        port: int = podready.var(default=8080)
        database_url: podready.Secret[str] = podready.var(doc="Postgres DSN")
        secret_key: podready.Secret[str]
        debug: bool = False

    report = problems_of(App, {"APP_PORT": "80a", "APP_SECRET_KEY": "", "APP_DEBGU": "1"})
    assert report.splitlines() == [
        "settings: 4 problems (APP_*)",
        '  APP_PORT          invalid  "80a" is not an integer  (int, default 8080)',
        "  APP_DATABASE_URL  missing  required                 (str, required) Postgres DSN",
        "  APP_SECRET_KEY    empty    set but empty; secret    (str, required) (value hidden)",
        "  APP_DEBGU         unknown  did you mean APP_DEBUG?",
    ]
    assert capsys.readouterr().err == report + "\n"


@pytest.mark.slow
def test_kubernetes_service_links_are_no_typos() -> None:
    """A Service called `app` fills the environment with APP_PORT_80_TCP and the like."""
    links = {"APP_SERVICE_HOST": "10.0.0.1", "APP_SERVICE_PORT": "80", "APP_PORT_80_TCP": "tcp://x"}
    assert Everything.load({**links, "APP_SERVICE_PORT_HTTP": "80"}).port == 3000


def test_a_misspelt_port_is_no_service_link() -> None:
    """Only the value says whether the kubelet wrote APP_X_PORT."""

    class App(podready.Settings, prefix="APP_"):
        admin_port: int = 1

    assert App.load({"APP_ADMNI_PORT": "tcp://10.0.0.1:80"}).admin_port == 1
    report = problems_of(App, {"APP_ADMNI_PORT": "80"})
    assert "APP_ADMNI_PORT  unknown  did you mean APP_ADMIN_PORT?" in report


@pytest.mark.parametrize("name", ["app_port", "App_Port", "APP_port"])
def test_a_name_in_another_case_is_a_misspelling(name: str) -> None:
    """The environment of Linux knows case, people forget it."""
    assert f"{name}  unknown  did you mean APP_PORT?" in problems_of(Everything, {name: "1"})
    report = problems_of(Keyed, {"secret_key": "x"})
    assert "required; is secret_key a typo?" in report


def test_an_empty_path_is_named_as_empty() -> None:
    """As an overlay that switches a mount off leaves it."""
    assert "SECRET_KEY_FILE  invalid  set but empty" in problems_of(Keyed, {"SECRET_KEY_FILE": ""})


def test_far_off_names_and_foreign_prefixes_are_left_alone() -> None:
    """Only a misspelling of a declared name is an error, and only with the prefix."""
    assert Everything.load({"APP_ELSEWHERE": "1", "PORT": "x", "OTHER_PORTT": "x"}).port == 3000


def test_the_search_for_typos_can_be_switched_off() -> None:
    """`unknown="ignore"` accepts any other variable with the prefix."""

    class App(podready.Settings, prefix="APP_", unknown="ignore"):
        debug: bool = False

    assert App.load({"APP_DEBGU": "1"}).debug is False


def test_a_missing_variable_hints_at_the_one_that_was_perhaps_meant() -> None:
    """Without a prefix typos cannot be searched for, but a missing variable can be explained."""
    report = problems_of(Keyed, {"SECRET_KYE": "x"})
    assert "SECRET_KEY  missing  required; is SECRET_KYE a typo?" in report


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    """NAME_FILE names a file; the newline at its end is not part of the value."""
    secret = tmp_path / "key"
    secret.write_text("s3cret\n")
    assert Keyed.load({"SECRET_KEY_FILE": str(secret)}).secret_key.reveal() == "s3cret"


def test_a_value_and_its_file_exclude_each_other(tmp_path: Path) -> None:
    """Setting both is a mistake, as nobody can tell which one is meant."""
    report = problems_of(Keyed, {"SECRET_KEY": "a", "SECRET_KEY_FILE": str(tmp_path)})
    assert "both SECRET_KEY and SECRET_KEY_FILE are set" in report


def test_an_unreadable_file_is_reported_by_its_path(tmp_path: Path) -> None:
    """The report names NAME_FILE, the path and the reason."""
    gone = problems_of(Keyed, {"SECRET_KEY_FILE": str(tmp_path / "gone")})
    assert "SECRET_KEY_FILE  invalid  cannot read" in gone
    assert "No such file or directory" in gone
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert "is not a text file" in problems_of(Keyed, {"SECRET_KEY_FILE": str(binary)})


def test_settings_cannot_be_changed() -> None:
    """The class is a frozen dataclass."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Everything.load({}).port = 1  # type: ignore[misc]


def test_instances_share_no_default_list() -> None:
    """Changing a default list in one instance leaves the next one alone."""
    Everything.load({}).hosts.append("x")
    assert Everything.load({}).hosts == []


def test_empty_is_allowed_where_it_is_declared() -> None:
    """With allow_empty an empty text is a value: None where the type has it."""

    class App(podready.Settings):
        name: str = podready.var(default="x", allow_empty=True)
        limit: int | None = podready.var(default=1, allow_empty=True)
        hosts: list[str] = podready.var(default=("a",), allow_empty=True)

    loaded = App.load({"NAME": "", "LIMIT": "", "HOSTS": ""})
    assert (loaded.name, loaded.limit, loaded.hosts) == ("", None, [])


def test_a_subclass_inherits_fields_and_prefix() -> None:
    """Settings can be extended like any dataclass."""

    class More(Everything):
        extra: int

    assert More.load({"APP_EXTRA": "1", "APP_PORT": "2"}).port == 2


def test_a_type_that_settings_do_not_know_is_the_authors_mistake() -> None:
    """It is a TypeError with the way out, not a problem of the environment."""

    class Odd(podready.Settings):
        when: complex

    with pytest.raises(TypeError, match=r"give var\(\) a parser"):
        Odd.load({"WHEN": "1"})

    class Ambiguous(podready.Settings):
        what: int | str

    with pytest.raises(TypeError, match="cannot choose among"):
        Ambiguous.load({"WHAT": "1"})


def test_a_mistake_in_a_class_names_class_and_field() -> None:
    """An unknown type, a default that does not fit its type, without a secret's."""

    class Odd(podready.Settings):
        when: complex

    class Defaults(podready.Settings):
        port: int = podready.var(default="80a")

    class Hidden(podready.Settings):
        pin: podready.Secret[int] = podready.var(default="hunter2")

    with pytest.raises(TypeError, match=r"Odd\.when: .* give var\(\) a parser"):
        Odd.load({})
    with pytest.raises(ValueError, match=r"Defaults\.port: the default '80a' is not an integer"):
        Defaults.load({})
    with pytest.raises(ValueError, match=r"Hidden\.pin: the default is not a valid secret") as told:
        Hidden.load({})
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("name", ["load", "watch", "schema", "_options", "_schema", "__doc__"])
def test_a_field_cannot_have_a_name_that_settings_use(name: str) -> None:
    """It would be called instead of the method, and fail far away."""
    with pytest.raises(TypeError, match=f"Bad.{name}: the name is reserved by podready.Settings"):
        type("Bad", (podready.Settings,), {"__annotations__": {name: str}})


def test_a_parser_that_raises_anything_is_a_problem_of_its_variable() -> None:
    """A KeyError in a custom parser ends in the report, without its argument."""

    class App(podready.Settings):
        level: int = podready.var(parser=lambda text: {"low": 1}[text])

    report = problems_of(App, {"LEVEL": "high"})
    assert "LEVEL  invalid" in report
    assert f"cannot be parsed (KeyError in {__file__}:" in report


def test_what_a_class_itself_raises_is_a_problem_whatever_it_is() -> None:
    """A KeyError in __post_init__ shows where it happened, and not its argument."""

    class App(podready.Settings):
        key: podready.Secret[str]
        mode: str = "a"

        def __post_init__(self) -> None:
            if self.mode == "a":
                raise KeyError(self.key.reveal())
            assert self.mode != "b", f"b needs another key than {self.key.reveal()!r}"

    report = problems_of(App, {"KEY": "hunter2"})
    assert f"*  invalid  cannot be made (KeyError in {__file__}:" in report
    assert "hunter2" not in report
    report = problems_of(App, {"KEY": "hunter2", "MODE": "b"})
    assert "*  invalid  b needs another key than '**********'" in report


def test_the_error_is_an_exit_with_code_78() -> None:
    """SettingsError ends a process without a traceback, and is a PodreadyError for who catches."""
    error = SettingsError("report")
    assert isinstance(error, SystemExit)
    assert isinstance(error, PodreadyError)
    assert (error.code, str(error), error.reported) == (78, "report", False)


APP = """
import podready
class App(podready.Settings, prefix="APP_"):
    port: int = 1
    key: podready.Secret[str]
settings = App.load()
async def app(scope, receive, send): ...
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["{python} main.py", "{python} -m uvicorn main:app --port 0"])
def test_no_traceback_and_exit_78_wherever_the_app_is_started(tmp_path: Path, command: str) -> None:
    """Plain python and uvicorn end with the report, once, and nothing else."""
    (tmp_path / "main.py").write_text(APP)
    ended = subprocess.run(
        command.format(python=sys.executable).split(),
        cwd=tmp_path,
        env={"APP_PORT": "x", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    assert ended.stderr.count("settings: 2 problems (APP_*)") == 1
    assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.slow
def test_with_logs_configured_the_report_is_one_log_line(tmp_path: Path) -> None:
    """Then stdout stays one JSON object a line, and stderr stays empty."""
    code = f"from podready.runtime import logs\nlogs.configure()\n{APP}"
    (tmp_path / "main.py").write_text(code)
    ended = subprocess.run(
        [sys.executable, "main.py"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (78, "")
    event = json.loads(ended.stdout)
    assert event["severity"] == "CRITICAL"
    assert "APP_KEY  missing" in event["message"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["asyncio", "json", "pathlib", "difflib", "pydantic", "dataclasses", "inspect"]
)
def test_loading_settings_imports_nothing_heavy(module: str) -> None:
    """Start-up time is scale-up time: a good environment needs none of these."""
    code = f"{APP}\nimport sys; sys.exit({module!r} in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
        env={"APP_KEY": "k"},
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0


@pytest.mark.slow
@given(st.integers())
def test_every_integer_reads_back(number: int) -> None:
    """str and the parser are inverse."""
    assert Everything.load({"APP_PORT": str(number)}).port == number


@pytest.mark.slow
@given(st.lists(st.text(min_size=1)))
def test_every_list_of_texts_reads_back_from_json(items: list[str]) -> None:
    """JSON carries what a separator cannot."""
    assert Everything.load({"APP_HOSTS": json.dumps(items)}).hosts == items


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from([f"APP_{field.name.upper()}" for field in dataclasses.fields(Everything)]),
        st.text(),
    )
)
def test_any_environment_gives_settings_or_a_report(environ: dict[str, str]) -> None:
    """Whatever the texts are, nothing but SettingsError comes out, and it is fit to print."""
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        try:
            Everything.load(environ)
        except SettingsError as error:
            report = str(error)
            assert stderr.getvalue() == f"{report}\n"
            assert all(line.isprintable() for line in report.split("\n"))
