"""The grammar of `podready run`: switches, values, old names and near misses."""

from __future__ import annotations

import pytest

from podready.errors import SettingsError, UsageError
from podready.runtime.run_config import load_config


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--access-log"], True),
        (["--no-access-log"], False),
        (["--access-log=false"], False),
        (["--access-log=TRUE"], True),
        (["--access-log", "false"], False),
        (["--access-log", "on"], True),
        (["--access-log", "--no-access-log"], False),
        (["--no-access-log", "--access-log"], True),
        ([], True),
    ],
)
@pytest.mark.parametrize("app_first", [True, False])
def test_switches(words: list[str], value: bool, app_first: bool) -> None:
    """Alone, with a value after `=` or a blank, and turned off; an app is no boolean."""
    arguments = ["main:app", *words] if app_first else [*words, "main:app"]
    config = load_config(arguments, {})
    assert (config.access_log, config.app) == (value, "main:app")


@pytest.mark.parametrize(("text", "value"), [("false", False), ("0", False), ("yes", True)])
def test_switches_in_the_environment(text: str, value: bool) -> None:
    """A variable needs its value."""
    assert load_config(["a:b"], {"PODREADY_ACCESS_LOG": text}).access_log is value


RUN = "podready run"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", f"{RUN} needs the app: say podready run main:app"),
        ("--port 1", f"{RUN} needs the app: say podready run main:app"),
        ("a:b c:d", f"{RUN} takes one app, but got 'a:b' and 'c:d'"),
        ("a:b --port", "--port needs a value (PORT)"),
        ("a:b --port --workers", "--port needs a value (PORT)"),
        ("a:b --drian-delay 5s", f"{RUN} has no option --drian-delay; did you mean --drain-delay?"),
        ("a:b --acess-log", f"{RUN} has no option --acess-log; did you mean --access-log?"),
        ("a:b --frobnicate", f"{RUN} has no option --frobnicate; see podready run --help"),
        ("a:b --reloaded", f"{RUN} has no option --reloaded; see podready run --help"),
        ("a:b -z", f"{RUN} has no option -z; see podready run --help"),
        ("a:b -", f"{RUN} has no option -; see podready run --help"),
        ("a:b --no-port", f"{RUN} has no option --no-port; see podready run --help"),
        ("a:b --no-access-log=1", "--no-access-log takes no value; say --no-access-log or"),
        ("a:b --grace 30s", "--grace is now --grace-period"),
        ("a:b --grace=30s", "--grace is now --grace-period"),
    ],
)
def test_mistakes(arguments: str, sentence: str) -> None:
    """One sentence says what is wrong and what to say instead; exit code 2."""
    with pytest.raises(UsageError) as error:
        load_config(arguments.split(), {})
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


def test_an_old_variable_says_the_new_one() -> None:
    """PODREADY_GRACE is not just ignored: a grace period that nobody reads loses requests."""
    with pytest.raises(SettingsError) as error:
        load_config(["a:b"], {"PODREADY_GRACE": "30s"})
    assert "PODREADY_GRACE is now PODREADY_GRACE_PERIOD: set that one instead" in str(error.value)
    assert error.value.exit_code == 78
    assert load_config(["a:b"], {"PODREADY_GRACE": ""}).grace_period is None
