"""`podready rehearse [PATH]`: its command line. The help needs no extra, the rehearsal does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from podready.cli.rehearse_options import rehearse_options
from podready.errors import MissingExtra
from podready.project import load_project
from podready.rehearse.scenario import NAMES
from podready.values.durations import parse_seconds

EPILOG: Final = """\b
Examples:
  podready rehearse
  podready rehearse examples/hello --rps 200 --endpoint-lag 3s
  podready rehearse --scenario rolling-update --rounds 3 --out report
  podready rehearse --kubeconfig ~/.kube/config --target 10.0.0.7:80

\b
Exit codes: 0 ready · 1 requests were dropped or a scenario failed · 2 wrong usage, or the app
could not start · 3 inconclusive: the load generator lagged.
"""


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


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="NAME",
    help=f"Run only this one; may be repeated. One of {', '.join(NAMES)}.",
)
@click.option("--rps", type=click.FloatRange(1, 5000), help="Requests a second. [300]")
@click.option("--rounds", type=click.IntRange(1), help="How often each scenario happens. [1]")
@click.option(
    "--endpoint-lag",
    type=Seconds(),
    help="How long a node's proxy takes to see a change. [1s]",
)
@click.option("--start-timeout", type=Seconds(), help="Longest wait for a ready app. [60s]")
@click.option(
    "--sandbox",
    type=click.Choice(["auto", "netns", "plain"]),
    default="auto",
    show_default=True,
    help="How a pod becomes processes.",
)
@click.option("--nodes", type=click.IntRange(1, 50), default=3, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("podready-report"),
    show_default=True,
    help="Folder of report.html and report.json.",
)
@click.option("--seed", type=int, default=0, help="Same seed, same load. [0]")
@click.option("--json", "as_json", is_flag=True, help="Print report.json instead of the summary.")
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Rehearse what is deployed on this cluster instead of a local one.",
)
@click.option("--target", default="", metavar="HOST:PORT", help="Where that Service answers.")
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
