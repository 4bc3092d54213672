"""The options of `podready rehearse`, once the command line and the project's settings are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from podready.errors import UsageError

if TYPE_CHECKING:
    from podready.project import Project


@dataclass(frozen=True, slots=True)
class RehearseOptions:
    """The command line, with the project's settings where it says nothing; seconds."""

    scenarios: tuple[str, ...]
    rps: float
    rounds: int
    endpoint_lag: float
    start_timeout: float
    sandbox: str
    nodes: int
    out: Path
    seed: int
    as_json: bool
    kubeconfig: Path | None
    target: str


def rehearse_options(project: Project, arguments: dict[str, Any]) -> RehearseOptions:
    """Return the options; what the command line leaves out comes from the project."""
    settings = project.rehearse
    for name in ("rps", "rounds", "endpoint_lag", "start_timeout"):
        if arguments[name] is None:
            arguments[name] = getattr(settings, name)
    options = RehearseOptions(**arguments)
    if (options.kubeconfig is None) != (options.target == ""):
        raise UsageError("--kubeconfig and --target HOST:PORT belong together")
    return options
