"""Every error podready raises on purpose.

    PodreadyError                exit code 2 unless its class says otherwise
    ├── UsageError               a flag, an argument or a file named on the command line
    ├── MissingExtra             a part that is not installed, with the line that installs it
    ├── ProjectError             [tool.podready] or podready.toml
    ├── ManifestError            a manifest or a Dockerfile, with file and line
    ├── SettingsError            missing or invalid settings, all of them at once; exit 78
    ├── StartupError             the app did not start under `podready run`; exit 3
    ├── ClusterError             the local cluster could not start or lost a part
    └── AppError                 the app under rehearsal could not start; holds its last log lines

An error is one sentence: what is wrong, where, and what to do. The command line prints it
without a traceback and ends with `exit_code`; anything else that reaches it is a bug.
"""

from __future__ import annotations

from podready.contract import ExitCode


class PodreadyError(Exception):
    """Base of all errors that are meant for the user; `exit_code` ends the command."""

    exit_code: ExitCode = ExitCode.USAGE


class UsageError(PodreadyError):
    """A flag, an argument or a file named on the command line is wrong."""


class MissingExtra(PodreadyError):  # noqa: N818 - it reads as what it says
    """A command needs an extra that is not installed."""

    def __init__(self, command: str, extra: str) -> None:
        super().__init__(
            f"`podready {command}` needs the {extra!r} extra: pip install 'podready[{extra}]'"
        )
        self.extra = extra


class ProjectError(PodreadyError):
    """The project's own podready settings are missing or invalid."""


class ManifestError(PodreadyError):
    """A manifest or Dockerfile is missing or invalid; says `file:line`."""

    def __init__(self, message: str, *, file: str, line: int | None = None) -> None:
        where = file if line is None else f"{file}:{line}"
        super().__init__(f"{where}: {message}")
        self.file, self.line, self.message = file, line, message


class SettingsError(PodreadyError, SystemExit):
    """One or more settings are missing or invalid; the message is the whole report.

    It is a SystemExit too: where nobody catches it (plain `python`, uvicorn), the process ends
    with code 78 and without a traceback. `reported` says that the report has been
    written already, so that the caller does not write it again.
    """

    exit_code = ExitCode.CONFIG

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = int(self.exit_code)
        self.reported = False


class StartupError(PodreadyError):
    """The app did not start under `podready run`."""

    exit_code = ExitCode.STARTUP_FAILED


class ClusterError(PodreadyError):
    """The local cluster could not start, or one of its parts ended."""


class AppError(PodreadyError):
    """The app under rehearsal could not start or become ready.

    `log` holds the app's own last lines, shown under the sentence.
    """

    def __init__(self, message: str, *, log: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.log = log
