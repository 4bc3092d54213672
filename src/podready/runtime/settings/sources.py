"""The places that a class is read from when the environment is not the only one.

From high to low: `NAME` and `NAME_FILE` in the environment; then directories of files that are
named for variables; then, outside Kubernetes only, a `.env` file. The first that has a variable
wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.runtime.settings.load import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podready.runtime.settings.directory import Directory
    from podready.runtime.settings.load import Given
    from podready.runtime.settings.report import Problem
    from podready.runtime.settings.variable import Options

_IN_KUBERNETES: Final = "KUBERNETES_SERVICE_HOST"
"""The kubelet sets it in every container of a cluster."""


class Sources:
    """All places that a settings class is read from, in their order."""

    def __init__(self, layers: list[Environment | Directory], problems: list[Problem]) -> None:
        self._layers, self.problems = layers, problems

    def find(self, name: str, aliases: tuple[str, ...] = ()) -> Given | None:
        """Return the first text of a variable; UnusableError if it cannot be read."""
        for layer in self._layers:
            found = layer.find(name, aliases)
            if found is not None:
                return found
        return None

    def names(self) -> list[str]:
        """Return every name that is set somewhere."""
        return list(dict.fromkeys(name for layer in self._layers for name in layer.names()))


def open_sources(
    options: Options, declared: set[str], environ: Mapping[str, str], *, desk: bool
) -> Sources:
    """Return the places of a class; `desk` allows `.env`, though never inside Kubernetes."""
    layers: list[Environment | Directory] = [Environment(environ, declared)]
    if options.directories:
        from podready.runtime.settings.directory import Directory

        layers += [Directory(root, options.prefix) for root in options.directories]
    problems: list[Problem] = []
    if desk and options.env_file and _IN_KUBERNETES not in environ:
        from podready.runtime.settings.dotenv import read_dotenv

        values, problems = read_dotenv(options.env_file)
        layers.append(Environment(values, declared, options.env_file))
    return Sources(layers, problems)
