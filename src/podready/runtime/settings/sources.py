"""Where the texts of variables come from, from high to low: environment, files, `.env`.

`NAME` and `NAME_FILE` in the environment; then directories of files that are named for
variables; then, outside Kubernetes only, a `.env` file. The first that has a variable wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from podready.runtime.settings.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from podready.runtime.settings.directory import Directory
    from podready.runtime.settings.report import Problem
    from podready.runtime.settings.variable import Options

FILE_SUFFIX: Final = "_FILE"
"""`NAME_FILE` holds the path of a file with the value, as for mounted Secrets."""

ENVIRONMENT: Final = "environment"
_IN_KUBERNETES: Final = "KUBERNETES_SERVICE_HOST"
"""The kubelet sets it in every container of a cluster."""

_MOST: Final = 1024 * 1024
"""Kubernetes' own limit for a Secret or ConfigMap, in bytes."""


class Given(Record):
    """A text that was found, and where, in words for people."""

    text: str
    source: str


class UnusableError(Exception):
    """A variable was found but cannot be read: its name, and what is wrong."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(name, what)
        self.name, self.what = name, what


class Environment:
    """A mapping of names to texts: the process's environment, or the entries of a `.env`."""

    def __init__(
        self, values: Mapping[str, str], declared: set[str], source: str = ENVIRONMENT
    ) -> None:
        self.values, self.source = values, source
        self._declared = declared  # a variable of its own that ends in _FILE is no path to another

    def find(self, name: str) -> Given | None:
        """Return NAME, or what is in the file of NAME_FILE."""
        file_name = name + FILE_SUFFIX
        path = None if file_name in self._declared else self.values.get(file_name)
        text = self.values.get(name)
        if path is None:
            return None if text is None else Given(text, self.source)
        if text is not None:
            raise UnusableError(name, f"both {name} and {file_name} are set")
        return Given(read_text(path, file_name), f"file {path}")

    def names(self) -> Iterable[str]:
        """Return the names that are set."""
        return self.values


class Sources:
    """All places that a settings class is read from, in their order."""

    def __init__(self, layers: list[Environment | Directory], problems: list[Problem]) -> None:
        self._layers, self.problems = layers, problems

    def find(self, name: str, aliases: Iterable[str] = ()) -> Given | None:
        """Return the first text of a variable; UnusableError if it cannot be read."""
        for layer in self._layers:
            for each in (name, *aliases):
                found = layer.find(each)
                if found is not None:
                    return found
        return None

    def names(self) -> list[str]:
        """Return every name that is set somewhere."""
        return list(dict.fromkeys(name for layer in self._layers for name in layer.names()))

    def set_names(self) -> list[str]:
        """Return the names of environment and `.env`, where a typo is likely ours."""
        layers = [layer for layer in self._layers if isinstance(layer, Environment)]
        return sorted({name for layer in layers for name in layer.names()})


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


def read_text(path: str, name: str, *, strip: bool = True) -> str:
    """Return what is in a file, without one newline at its end; UnusableError if it cannot be."""
    try:
        with open(path, encoding="utf-8", newline="") as file:  # pathlib costs 4 ms at start
            text = file.read(_MOST + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnusableError(name, f"cannot read {_shown(path)}: {reason}") from None
    except ValueError:  # bytes that are not UTF-8, or a path with a null character
        raise UnusableError(name, f"{_shown(path)} is not a text file") from None
    if len(text) > _MOST:
        raise UnusableError(name, f"{_shown(path)} is larger than 1 MiB")
    return text.removesuffix("\n").removesuffix("\r") if strip else text


def _shown(path: str) -> str:
    from podready.runtime.settings.report import quote

    return quote("", path, secret=False)
