"""How a settings class is read: the keywords of `class AppSettings(podready.Settings, ...)`."""

from __future__ import annotations

from typing import Literal

from podready.runtime.settings.record import Record

Unknown = Literal["error", "ignore"]


class Options(Record):
    """The options of a class; a subclass inherits them.

    `prefix` begins each variable's name. `unknown` is what a nearly right name with the prefix
    is. `delimiter` stands between the name of a section and the names of its variables.
    `directories` are searched for files that are named for variables (Docker's /run/secrets, a
    mounted ConfigMap or Secret, Spring's config tree). `env_file` is read outside Kubernetes
    only. `unset_secrets` takes secrets out of the process's environment once they are read.
    """

    prefix: str = ""
    unknown: Unknown = "error"
    delimiter: str = "_"
    directories: tuple[str, ...] = ()
    env_file: str | None = None
    unset_secrets: bool = False
