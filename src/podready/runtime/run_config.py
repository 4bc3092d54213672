"""The settings of `podready run`: one frozen dataclass from which flags, variables and help come.

Each field of `RunConfig` carries its kind and its help text; `--drain-delay` and
PODREADY_DRAIN_DELAY both follow from the field's name. A flag wins over the variable, the
variable over the default. All bad values are reported together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from podready.contract import (
    ADMIN_PORT,
    DEFAULT_GRACE_SECONDS,
    ENV_PREFIX,
    OUTSIDE_GRACE_SECONDS,
)
from podready.errors import SettingsError, UsageError
from podready.runtime.budget import Budget, divide
from podready.runtime.logs.options import LOG_OPTIONS, LogSettings
from podready.runtime.options.app_target import parse_target
from podready.runtime.options.command_line import read_command_line
from podready.runtime.options.kinds import (
    COUNT,
    DURATION,
    LIMIT,
    PORT,
    ROOT_PATH,
    SECRET,
    SIZE,
    SWITCH,
    TEXT,
    choice,
)
from podready.runtime.options.table import options_of, read_options, report, setting
from podready.runtime.termination import ENV_TERMINATION_LOG
from podready.values.service_links import is_service_link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KUBERNETES_MARK = "KUBERNETES_SERVICE_HOST"
"""The kubelet sets it in every container, also with enableServiceLinks: false."""

_PLATFORM_PORT = "PORT"
"""Cloud Run, Heroku, Knative and Buildpacks tell a container its port in this variable."""

PROFILES: Final = {
    "clusterip": (5.0, DEFAULT_GRACE_SECONDS),
    "nginx": (5.0, DEFAULT_GRACE_SECONDS),
    "gke-neg": (20.0, 60.0),
    "alb": (40.0, 90.0),
    "nlb-ip": (130.0, 180.0),
}
"""Drain delay and grace period in seconds, by what carries traffic to the pod.

5 s is lightship's default and what Spring's maintainers call common (5-10 s); aws-lbc #2106 saw
rare 502s with 40 s and none with 70 s behind an ALB, #2366 needed 120 s for an NLB in IP mode.
gke-neg is an estimate.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig(LogSettings):
    """All settings of `podready run`; durations in seconds."""

    app: str
    in_pod: bool = False
    interface: str = setting(
        "auto", choice("auto", "asgi", "wsgi"), "what the app speaks", group="app"
    )
    factory: bool = setting(False, SWITCH, "MODULE:ATTR is called and returns the app", group="app")
    app_dir: str = setting(".", TEXT, "directory put first on sys.path", group="app")
    root_path: str = setting(
        "", ROOT_PATH, "prefix that a proxy strips from the path, such as /api", "none", group="app"
    )
    lifespan: str = setting(
        "auto", choice("auto", "on", "off"), "ASGI lifespan protocol", group="app"
    )
    host: str = setting("0.0.0.0", TEXT, "address of the main listener", group="listen")
    port: int = setting(
        8000,
        PORT,
        "port of the main listener; $PORT is read too, after these",
        fallback=_PLATFORM_PORT,
        group="listen",
    )
    engine: str = setting("uvicorn", choice("uvicorn", "granian"), "server engine", group="listen")
    keep_alive_timeout: float = setting(
        75.0,
        DURATION,
        "close an idle connection; keep it above the load balancer's",
        "75s",
        group="listen",
    )
    max_concurrency: int = setting(
        0,
        LIMIT,
        "requests at once per worker; more get 503 and Retry-After",
        "no limit",
        group="listen",
    )
    max_wait: float = setting(
        0.0, DURATION, "wait this long for a place before the 503", "0s", group="listen"
    )
    admin_host: str = setting("0.0.0.0", TEXT, "address of the probes' listener", group="probes")
    admin_port: int = setting(ADMIN_PORT, PORT, "port of /livez /readyz /startupz", group="probes")
    admin_token: str | None = setting(
        None,
        SECRET,
        "file with a bearer token that opens details to other pods",
        "none",
        group="probes",
        secret=True,
    )
    grpc_health_port: int | None = setting(
        None,
        PORT,
        "port of the gRPC health service, for gRPC probes (podready[grpc])",
        "off",
        group="probes",
    )
    startup_timeout: float = setting(
        120.0, DURATION, "give up a start that takes longer (exit 3)", "2m", group="probes"
    )
    stall_timeout: float = setting(
        30.0, DURATION, "/livez fails after this long without a heartbeat", "30s", group="probes"
    )
    profile: str = setting(
        "clusterip", choice(*PROFILES), "drain and grace for what routes to the pod", group="stop"
    )
    grace_period: float | None = setting(
        None,
        DURATION,
        "the pod's terminationGracePeriodSeconds",
        f"the profile's ({DEFAULT_GRACE_SECONDS:g}s) in a pod, else {OUTSIDE_GRACE_SECONDS:g}s",
        group="stop",
        formerly="grace",
    )
    drain_delay: float | None = setting(
        None,
        DURATION,
        "go on accepting for this long after SIGTERM",
        f"the profile's ({PROFILES['clusterip'][0]:g}s) in a pod, else 0s",
        group="stop",
    )
    drain_readiness: str = setting(
        "fail", choice("fail", "serve"), "what /readyz says during the drain", group="stop"
    )
    hook_time: float = setting(
        5.0, DURATION, "lifespan shutdown and shutdown hooks together", "5s", group="stop"
    )
    stream_window: float = setting(
        5.0, DURATION, "streams are ended spread over this long at most", "5s", group="stop"
    )
    strict_exit: bool = setting(
        False, SWITCH, "exit 70 when work in flight had to be cut", group="stop"
    )
    workers: int = setting(1, COUNT, "worker processes", group="workers")
    threads: int = setting(32, COUNT, "threads for a WSGI app, per worker", group="workers")
    max_requests: int = setting(
        0, LIMIT, "replace a worker after this many requests", "never", group="workers"
    )
    max_lifetime: float = setting(
        0.0, DURATION, "replace a worker of this age", "never", group="workers"
    )
    max_memory: int = setting(
        0, SIZE, "replace a worker of this size, such as 512Mi", "never", group="workers"
    )
    access_log: bool = setting(True, SWITCH, "one line for each request", group="logs")

    def budget(self) -> Budget:
        """Return the grace period divided; raises SettingsError when the sum does not fit."""
        drain, grace = PROFILES[self.profile] if self.in_pod else (0.0, OUTSIDE_GRACE_SECONDS)
        drain = drain if self.drain_delay is None else self.drain_delay
        grace = grace if self.grace_period is None else self.grace_period
        return divide(grace, drain, self.hook_time)


_LOG_NAMES: Final = frozenset(option.name for option in LOG_OPTIONS)
OPTIONS: Final = (
    *(option for option in options_of(RunConfig) if option.name not in _LOG_NAMES),
    *LOG_OPTIONS,
)


def in_pod(environ: Mapping[str, str]) -> bool:
    """Return whether this process runs in a Kubernetes pod."""
    return _KUBERNETES_MARK in environ


def load_config(arguments: Sequence[str], environ: Mapping[str, str]) -> RunConfig:
    """Return the settings that `arguments` (after `podready run`) and `environ` amount to.

    Raises UsageError for a flag that does not exist and for an app that is missing or misspelt,
    and SettingsError with every bad value at once.
    """
    line = read_command_line("podready run", OPTIONS, arguments)
    if not line.arguments:
        raise UsageError("podready run needs the app: say podready run main:app")
    if len(line.arguments) > 1:
        first, second = line.arguments[:2]
        raise UsageError(f"podready run takes one app, but got {first!r} and {second!r}")
    config = _configure(line.arguments[0], line.flags, environ, "podready run")
    parse_target(config.app, config.app_dir)
    return config


def config_from_environment(app: str, environ: Mapping[str, str], reader: str) -> RunConfig:
    """Return the settings that `environ` amounts to, where there is no command line.

    `app` names the app for people, `reader` names in an error who needs the settings. Raises
    SettingsError with every bad value at once.
    """
    return _configure(app, {}, environ, reader)


def _configure(
    app: str, flags: Mapping[str, str], environ: Mapping[str, str], reader: str
) -> RunConfig:
    values: dict[str, Any] = {}
    problems = read_options(OPTIONS, flags, environ, values)
    config = RunConfig(app=app, in_pod=in_pod(environ), **values)
    problems += _misfits(config)
    if problems:
        raise SettingsError(report(reader, problems))
    return config


def _misfits(config: RunConfig) -> list[str]:
    problems = []
    try:
        config.budget()
    except SettingsError as error:
        problems.append(str(error))
    if config.port == config.admin_port != 0:
        problems.append(f"--port and --admin-port are both {config.port}; they must differ")
    return problems


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each PODREADY_* variable that no setting reads."""
    known = {name for option in OPTIONS for name in option.variables} | {ENV_TERMINATION_LOG}
    unknown = [name for name in sorted(environ) if name.startswith(ENV_PREFIX)]
    unknown = [n for n in unknown if n not in known and not is_service_link(n, environ[n])]
    return [_not_a_setting(name, known) for name in unknown]


def _not_a_setting(name: str, known: set[str]) -> str:
    from podready.values.closest_match import closest_match  # only a mistake needs it

    near = closest_match(name, known)
    hint = f"; did you mean {near}?" if near else ""
    return f"{name} is not a setting of podready run{hint}"
