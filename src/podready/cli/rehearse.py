"""`podready rehearse [PATH]`: its command line. The help needs no extra, the rehearsal does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from podready.cli.click_command import Command, CommandOption
from podready.cli.rehearse_options import rehearse_options
from podready.errors import MissingExtra
from podready.project import load_project
from podready.rehearse.scenario import NAMES
from podready.values.durations import parse_seconds

EXAMPLES: Final = (
    "podready rehearse",
    "podready rehearse examples/hello --rps 200 --endpoint-lag 3s",
    "podready rehearse --scenario rolling-update --rounds 3 --out report",
    "podready rehearse --kubeconfig ~/.kube/config --target 10.0.0.7:80",
)
EXIT_CODES: Final = (
    ("0", "ready"),
    ("1", "requests were dropped, or a scenario failed"),
    ("2", "a mistake in the command or the project, or the app could not start"),
    ("3", "inconclusive: the load generator lagged"),
)


class NumberRange(click.FloatRange):
    """A number within bounds."""

    name = "number"


class WholeNumberRange(click.IntRange):
    """A whole number within bounds."""

    name = "whole number"


class Seconds(click.ParamType):  # type: ignore[type-arg]  # click 8.1 is not generic yet
    """A duration such as 500ms, 1.5s or 2m."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        try:
            return parse_seconds(str(value))
        except ValueError as error:
            self.fail(f"{value!r} is not {error}", param, ctx)


@click.command(cls=Command, examples=EXAMPLES, exit_codes=EXIT_CODES)
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--scenario",
    "scenarios",
    cls=CommandOption,
    group="scenarios",
    multiple=True,
    metavar="NAME",
    help=f"run only this one of {', '.join(NAMES)}; may be repeated",
)
@click.option(
    "--rounds",
    cls=CommandOption,
    group="scenarios",
    type=WholeNumberRange(1),
    metavar="N",
    help="how often each scenario happens [1]",
)
@click.option(
    "--rps",
    cls=CommandOption,
    group="load",
    type=NumberRange(1, 5000),
    metavar="N",
    help="requests a second, up to 5000 [300]",
)
@click.option(
    "--seed",
    cls=CommandOption,
    group="load",
    type=WholeNumberRange(),
    default=0,
    metavar="N",
    help="same seed, same load [0]",
)
@click.option(
    "--nodes",
    cls=CommandOption,
    group="cluster",
    type=WholeNumberRange(1, 50),
    default=3,
    metavar="N",
    help="nodes of the local cluster, up to 50 [3]",
)
@click.option(
    "--sandbox",
    cls=CommandOption,
    group="cluster",
    type=click.Choice(["auto", "netns", "plain"]),
    default="auto",
    metavar="auto|netns|plain",
    help="how a pod becomes processes [auto]",
)
@click.option(
    "--endpoint-lag",
    cls=CommandOption,
    group="cluster",
    type=Seconds(),
    metavar="DURATION",
    help="how long a node's proxy takes to see a change [1s]",
)
@click.option(
    "--start-timeout",
    cls=CommandOption,
    group="cluster",
    type=Seconds(),
    metavar="DURATION",
    help="longest wait for a ready app [60s]",
)
@click.option(
    "--kubeconfig",
    cls=CommandOption,
    group="cluster",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="rehearse what is deployed on this cluster instead of a local one",
)
@click.option(
    "--target",
    cls=CommandOption,
    group="cluster",
    default="",
    metavar="HOST:PORT",
    help="where the Service of that cluster answers",
)
@click.option(
    "--out",
    cls=CommandOption,
    group="report",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("podready-report"),
    metavar="DIRECTORY",
    help="folder of report.html and report.json [podready-report]",
)
@click.option(
    "--json",
    "as_json",
    cls=CommandOption,
    group="report",
    is_flag=True,
    help="print report.json instead of the summary",
)
def rehearse(path: Path, **arguments: Any) -> int:
    """Roll out, roll back and delete pods of the project in PATH while requests go on arriving.

    The project's own manifests and Dockerfile are used as they are, on a local cluster that needs
    no Docker and no root. Settings: [tool.podready] of pyproject.toml, or podready.toml.
    """
    project = load_project(path)
    options = rehearse_options(project, arguments)
    try:
        from podready.cli.rehearse_run import run_rehearsal
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "podready":
            raise
        raise MissingExtra("rehearse", "rehearse") from error
    return run_rehearsal(project, options)
