"""What a rehearsal's pods reach: checked before it starts, told after it ends."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from podready.cli.rehearse_reach import (
    check_host_ports,
    finish,
    overrides_of,
    reach_settings,
    without_secrets,
)
from podready.errors import AppError, ClusterError, UsageError
from podready.project import Project, RehearseSettings
from podready.rehearse.overrides import Overrides
from podready.rehearse.result import RehearsalResult, Verdict

URL = "redis://host.podready.internal:6379"


def project(**settings: object) -> Project:
    """Return a project with these settings of [tool.podready.rehearse]."""
    return Project(Path(), "web", rehearse=RehearseSettings(**settings))  # type: ignore[arg-type]


def test_a_port_that_answers_is_fine() -> None:
    """And one where nobody listens is told with its number."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check_host_ports([port])
    with pytest.raises(UsageError, match=f"nothing answers at 127.0.0.1:{port}"):
        check_host_ports([port])


@pytest.mark.parametrize("host", ["host.podready.internal", "127.0.0.1"])
def test_this_machine_has_the_name_that_pods_know(host: str) -> None:
    """Plain pods share this machine's loopback; the others have a name for it."""
    overrides = overrides_of(project(env={"REDIS": URL}), host)
    assert overrides.variables == {"REDIS": f"redis://{host}:6379"}


def test_pods_without_a_network_reach_no_host_port() -> None:
    """Better told at once than by an app that cannot start; without host ports it is no matter."""
    with pytest.raises(ClusterError, match="--sandbox plain"):
        overrides_of(project(host_ports=(6379,)), "")
    assert overrides_of(project(env={"REDIS": URL}), "").variables == {"REDIS": URL}


def test_the_report_tells_names_only() -> None:
    """What was changed is part of the evidence; its value is not."""
    told = reach_settings(project(host_ports=(5432, 6379), env={"REDIS": URL}))
    assert told == {"host ports": "5432, 6379", "environment of its own": "REDIS"}
    assert reach_settings(project()) == {}


def test_names_that_were_missed_are_a_limit() -> None:
    """An app that needs the internet is not blamed in silence."""
    result = RehearsalResult(Verdict.READY, 1, 0, 1.0, (), "web", {}, {})
    told = finish(result, Overrides({}), ("api.example.com", "db"))
    assert told.limits == ("Pods asked for names that do not exist here: api.example.com, db.",)
    assert finish(result, Overrides({}), ()) == result


def test_the_apps_last_words_without_its_secrets() -> None:
    """A driver may print the URL that it could not connect to."""
    error = AppError("no luck with abcdefgh", log=("abcdefgh", "fine"))
    hidden = without_secrets(error, Overrides({"TOKEN": "abcdefgh"}))
    assert (str(hidden), hidden.log) == ("no luck with …", ("…", "fine"))
