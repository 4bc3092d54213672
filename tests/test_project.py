"""Project settings: defaults, both files, and every mistake with its file and line."""

from pathlib import Path

import pytest

from podready.errors import ProjectError
from podready.project import RequestSettings, load_project


def test_a_project_without_settings_has_defaults(tmp_path: Path) -> None:
    """A folder with deploy/ and nothing else is a project already."""
    (tmp_path / "deploy").mkdir()
    project = load_project(tmp_path)
    assert project.name == tmp_path.name
    assert project.manifests == (tmp_path / "deploy",)
    assert project.dockerfile == tmp_path / "Dockerfile"
    assert (project.service, project.namespace) == ("", "default")
    assert project.rehearse.requests == (RequestSettings("root"),)
    assert (project.rehearse.rps, project.rehearse.endpoint_lag) == (300.0, 1.0)


def test_pyproject_table_is_read(tmp_path: Path) -> None:
    """Every key of [tool.podready] arrives in its own type."""
    (tmp_path / "all.yaml").touch()
    (tmp_path / "pyproject.toml").write_text(
        """
[project]
name = "ignored-because-podready-says-its-own"
[tool.podready]
name = "shop"
app = "shop:app"
manifests = "all.yaml"
dockerfile = "Containerfile"
service = "shop:80"
namespace = "dev"
[tool.podready.rehearse]
rps = 200
rounds = 2
endpoint-lag = "1500ms"
streams = ["/events"]
[[tool.podready.rehearse.requests]]
name = "write"
method = "post"
path = "/items"
weight = 0.1
body = "{}"
expect = 201
timeout = "4s"
[[tool.podready.rehearse.requests]]
path = "/"
"""
    )
    project = load_project(tmp_path)
    assert (project.name, project.app, project.service) == ("shop", "shop:app", "shop:80")
    assert project.manifests == (tmp_path / "all.yaml",)
    assert project.dockerfile == tmp_path / "Containerfile"
    assert project.namespace == "dev"
    settings = project.rehearse
    assert (settings.rps, settings.rounds, settings.endpoint_lag) == (200.0, 2, 1.5)
    assert settings.streams == ("/events",)
    assert settings.requests == (
        RequestSettings("write", "POST", "/items", 0.1, "{}", 201, 4.0),
        RequestSettings("GET /"),
    )


def test_podready_toml_needs_no_prefix(tmp_path: Path) -> None:
    """podready.toml holds the same keys at its top level; the name may come from pyproject."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    (tmp_path / "podready.toml").write_text("[rehearse]\nrps = 50\n")
    project = load_project(tmp_path)
    assert (project.name, project.rehearse.rps) == ("shop", 50.0)


MISTAKES = [
    ("[tool.podready]\nservce = 'x'\n", "pyproject.toml:2", "did you mean 'service'?"),
    ("[tool.podready]\n\nxyzzy = 1\n", "pyproject.toml:3", "known keys: app, dockerfile"),
    ("[tool.podready]\nname = 3\n", "pyproject.toml:2", "tool.podready.name: must be a text"),
    ("[tool.podready]\nmanifests = ['nope']\n", "pyproject.toml:2", "'nope' does not exist"),
    ("[tool.podready.rehearse]\nrps = 0\n", "pyproject.toml:2", "greater than 0"),
    ("[tool.podready.rehearse]\nrps = true\n", "pyproject.toml:2", "must be a number"),
    ("[tool.podready.rehearse]\nrounds = 0\n", "pyproject.toml:2", "at least 1"),
    (
        "[tool.podready.rehearse]\nendpoint_lag = '1s'\n",
        "pyproject.toml:2",
        "did you mean 'endpoint-lag'?",
    ),
    (
        "[tool.podready.rehearse]\nendpoint-lag = 'soon'\n",
        "pyproject.toml:2",
        "is not a duration",
    ),
    ("[tool.podready]\nrehearse = 3\n", "pyproject.toml:2", "rehearse: must be a table"),
    ("[tool]\npodready = 3\n", "pyproject.toml", "tool.podready: must be a table"),
    (
        "[[tool.podready.rehearse.requests]]\npath = '/'\nmetod = 'GET'\n",
        "pyproject.toml:3",
        "did you mean 'method'?",
    ),
    (
        "[[tool.podready.rehearse.requests]]\npath = 'x'\n",
        "pyproject.toml:2",
        "begins with '/'",
    ),
    ("[tool.podready\n", "pyproject.toml:1", "not valid TOML"),
    ("[tool.podready.rehearse]\nhost-ports = [0]\n", "pyproject.toml:2", "list of ports"),
    ("[tool.podready.rehearse]\nhost-ports = ['x']\n", "pyproject.toml:2", "list of ports"),
    ("[tool.podready.rehearse]\nenv = 'x'\n", "pyproject.toml:2", "must be a table"),
    ("[tool.podready.rehearse.env]\n'A B' = 'x'\n", "pyproject.toml:2", "A B: is not a name"),
    ("[tool.podready]\nname = ", "pyproject.toml:2", "not valid TOML: Invalid value"),
]


@pytest.mark.parametrize(("text", "where", "reason"), MISTAKES)
def test_mistakes_name_file_line_and_fix(
    tmp_path: Path, text: str, where: str, reason: str
) -> None:
    """One sentence: the file, the line, the key, what is wrong."""
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ProjectError) as caught:
        load_project(tmp_path)
    assert f"{tmp_path}/{where}" in str(caught.value)
    assert reason in str(caught.value)


def test_host_ports_and_variables(tmp_path: Path) -> None:
    """One port or several; variables as they are."""
    (tmp_path / "podready.toml").write_text(
        "[rehearse]\nhost-ports = [5432, 6379, 5432]\n[rehearse.env]\nDATABASE_URL = 'x://y'\n"
    )
    settings = load_project(tmp_path).rehearse
    assert settings.host_ports == (5432, 6379)
    assert settings.env == {"DATABASE_URL": "x://y"}
    assert "x://y" not in repr(settings)
    (tmp_path / "podready.toml").write_text("[rehearse]\nhost-ports = 5432\n")
    assert load_project(tmp_path).rehearse.host_ports == (5432,)


def test_a_mistake_in_a_secret_is_told_without_it(tmp_path: Path) -> None:
    """The name and the line are enough; the value may be a password."""
    (tmp_path / "pyproject.toml").write_text("[tool.podready.rehearse.env]\n\nPIN = 98765\n")
    with pytest.raises(ProjectError) as caught:
        load_project(tmp_path)
    assert "pyproject.toml:3: tool.podready.rehearse.env.PIN: must be a text" in str(caught.value)
    assert "98765" not in str(caught.value)


def test_two_places_for_settings_are_refused(tmp_path: Path) -> None:
    """Nobody should have to guess which file wins."""
    (tmp_path / "pyproject.toml").write_text("[tool.podready]\n")
    (tmp_path / "podready.toml").touch()
    with pytest.raises(ProjectError, match="keep one"):
        load_project(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """PATH on the command line may be mistyped."""
    with pytest.raises(ProjectError, match="no such folder"):
        load_project(tmp_path / "nope")
