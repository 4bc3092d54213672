"""The sources of a class that is read from more than the environment.

From high to low: `NAME` and `NAME_FILE` in the environment; then directories of files that are
named for variables; then, outside Kubernetes only, a `.env` file. The first that has a variable
wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.runtime.settings.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podready.runtime.settings.environment import RawValue
    from podready.runtime.settings.report import Problem
    from podready.runtime.settings.sources.directory import Directory
    from podready.runtime.settings.variable import Options

_IN_KUBERNETES: Final = "KUBERNETES_SERVICE_HOST"
"""The kubelet sets it in every container of a cluster."""


class Sources:
    """All sources that a settings class is read from, in their order."""

    def __init__(self, layers: list[Environment | Directory], problems: list[Problem]) -> None:
        self._layers, self.problems = layers, problems

    def find(self, name: str, aliases: tuple[str, ...] = ()) -> RawValue | None:
        """Return the first text of a variable; SourceError if it cannot be read."""
        for layer in self._layers:
            raw = layer.find(name, aliases)
            if raw is not None:
                return raw
        return None

    def names(self) -> list[str]:
        """Return every name that is set somewhere."""
        return list(dict.fromkeys(name for layer in self._layers for name in layer.names()))


def open_sources(
    options: Options, declared: set[str], environ: Mapping[str, str], *, allow_env_file: bool
) -> Sources:
    """Return the sources of a class; `.env` only if allowed, and never inside Kubernetes."""
    layers: list[Environment | Directory] = [Environment(environ, declared)]
    if options.directories:
        from podready.runtime.settings.sources.directory import Directory

        layers += [Directory(root, options.prefix) for root in options.directories]
    problems: list[Problem] = []
    if allow_env_file and options.env_file and _IN_KUBERNETES not in environ:
        from podready.runtime.settings.sources.dotenv import read_dotenv

        values, problems = read_dotenv(options.env_file)
        layers.append(Environment(values, declared, options.env_file))
    return Sources(layers, problems)
