"""Flags, variables and defaults of `podready run`, and the reports of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from podready.errors import SettingsError
from podready.runtime.run_config import OPTIONS, load_config, unknown_variables


def test_defaults_outside_a_pod() -> None:
    """Without Kubernetes there is no drain delay, and `docker stop` gives ten seconds."""
    config = load_config(["main:app"], {})
    assert (config.app, config.port, config.admin_port, config.workers) == (
        "main:app",
        8000,
        9000,
        1,
    )
    assert (config.budget().grace, config.budget().drain) == (10, 0)


def test_defaults_in_a_pod() -> None:
    """In a pod it is 30 seconds, of which five are for the endpoint lists."""
    config = load_config(["main:app"], {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert (config.budget().grace, config.budget().drain) == (30, 5)


def test_flag_wins_over_variable_and_platform() -> None:
    """--port, then PODREADY_PORT, then PORT."""
    environ = {"PODREADY_PORT": "2", "PORT": "3"}
    assert load_config(["a:b", "--port", "1"], environ).port == 1
    assert load_config(["a:b", "--port=1"], environ).port == 1
    assert load_config(["a:b"], environ).port == 2
    assert load_config(["a:b"], {"PORT": "3"}).port == 3


def test_a_service_called_podready_does_no_harm() -> None:
    """The kubelet writes PODREADY_PORT=tcp://... for a Service of that name; it is not ours."""
    environ = {"PODREADY_PORT": "tcp://10.0.0.1:80", "PODREADY_SERVICE_HOST": "10.0.0.1"}
    assert load_config(["a:b"], environ).port == 8000
    assert unknown_variables(environ) == []


def test_all_bad_values_at_once() -> None:
    """Every bad value is named with its source, its text and what is expected."""
    with pytest.raises(SettingsError) as refusal:
        load_config(
            ["a:b", "--port", "http", "--interface", "cgi"],
            {"PODREADY_GRACE_PERIOD": "long", "PODREADY_ACCESS_LOG": "maybe"},
        )
    text = str(refusal.value)
    assert "--port: 'http' is not a port from 0 to 65535" in text
    assert "--interface: 'cgi' is not one of auto, asgi, wsgi" in text
    assert "PODREADY_GRACE_PERIOD: 'long' is not a duration such as 500ms, 30s, 5m or 1h30m" in text
    assert "PODREADY_ACCESS_LOG: 'maybe' is not a boolean: use true or false" in text


def test_a_budget_that_does_not_fit_is_a_bad_setting() -> None:
    """The sum is refused before anything starts."""
    with pytest.raises(SettingsError, match="the grace period is 12s"):
        load_config(["a:b", "--grace-period", "12s", "--drain-delay", "10s"], {})


def test_one_port_for_both_is_refused() -> None:
    """The app and the probes cannot share a port."""
    with pytest.raises(SettingsError, match="are both 9000"):
        load_config(["a:b", "--port", "9000"], {})


TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize("source", ["variable", "flag", "file"])
def test_the_admin_token(tmp_path: Path, source: str) -> None:
    """It comes from a variable or a file, never from the command line, and no repr shows it."""
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    flags = ["--admin-token-file", str(path)] if source == "flag" else []
    variables = {"variable": {"PODREADY_ADMIN_TOKEN": TOKEN}, "flag": {}}.get(
        source, {"PODREADY_ADMIN_TOKEN_FILE": str(path)}
    )
    config = load_config(["main:app", *flags], variables)
    assert config.admin_token == TOKEN
    assert TOKEN not in repr(config)
    assert unknown_variables(variables) == []


@pytest.mark.parametrize("token", ["short", "spaces in the token", "token-with-ümlaut-in-it"])
def test_a_bad_token_is_refused_and_not_shown(token: str) -> None:
    """The error names the variable and what is expected, and keeps the value to itself."""
    with pytest.raises(SettingsError) as refusal:
        load_config(["main:app"], {"PODREADY_ADMIN_TOKEN": token})
    assert "PODREADY_ADMIN_TOKEN: its value is not at least 16" in str(refusal.value)
    assert token not in str(refusal.value)


def test_a_token_file_that_is_not_there() -> None:
    """The flag and the path are named."""
    with pytest.raises(SettingsError, match="--admin-token-file: cannot read /no/such"):
        load_config(["main:app", "--admin-token-file", "/no/such"], {})


def test_the_place_of_the_termination_message_is_no_misspelled_setting() -> None:
    """It is a variable without a flag."""
    assert unknown_variables({"PODREADY_TERMINATION_LOG": "/tmp/x"}) == []


def test_a_misspelled_variable_is_noticed() -> None:
    """A PODREADY_ variable that nobody reads gets a hint."""
    assert unknown_variables({"PODREADY_DRAIN_DELY": "5s"}) == [
        "PODREADY_DRAIN_DELY is not a setting of podready run; did you mean PODREADY_DRAIN_DELAY?"
    ]


def test_every_option_reads_its_own_default() -> None:
    """The text shown as a default is accepted as a value, so the help can be copied."""
    for option in OPTIONS:
        if option.default is not None and not option.shown:
            assert option.kind.parse(option.default_text) == option.default


def test_an_empty_variable_is_none() -> None:
    """Helm and kustomize write `value: ""` for what nobody has set."""
    config = load_config(["main:app"], {"PODREADY_LOG_LEVEL": "", "PODREADY_PORT": " ", "PORT": ""})
    assert (config.log_level, config.port) == ("info", 8000)


def test_an_empty_secret_is_a_mistake() -> None:
    """Else a token that a template has lost would leave nothing to ask for."""
    with pytest.raises(SettingsError, match="PODREADY_ADMIN_TOKEN"):
        load_config(["main:app"], {"PODREADY_ADMIN_TOKEN": ""})
