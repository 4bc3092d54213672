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
from podready.runtime.options.kinds import (
    COUNT,
    DURATION,
    LIMIT,
    PORT,
    SECRET,
    SIZE,
    SWITCH,
    TEXT,
    choice,
)
from podready.runtime.options.table import Option, options_of, read_options, report, setting
from podready.runtime.termination import ENV_TERMINATION_LOG
from podready.values.closest_match import closest_match
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
    """Everything `podready run` can be told; durations in seconds."""

    app: str
    in_pod: bool = False
    host: str = setting("0.0.0.0", TEXT, "address of the main listener")
    port: int = setting(
        8000,
        PORT,
        "port of the main listener; $PORT is read too, after these",
        fallback=_PLATFORM_PORT,
    )
    admin_host: str = setting("0.0.0.0", TEXT, "address of the probes' listener")
    admin_port: int = setting(ADMIN_PORT, PORT, "port of /livez /readyz /startupz")
    grpc_health_port: int | None = setting(
        None, PORT, "port of the gRPC health service, for gRPC probes (podready[grpc])", "off"
    )
    admin_token: str | None = setting(
        None,
        SECRET,
        "file with a bearer token that opens details to other pods",
        "none",
        secret=True,
    )
    interface: str = setting("auto", choice("auto", "asgi", "wsgi"), "what the app speaks")
    factory: bool = setting(False, SWITCH, "the app is a function that returns the app")
    app_dir: str = setting(".", TEXT, "directory put first on sys.path")
    engine: str = setting("uvicorn", choice("uvicorn", "granian"), "server engine")
    lifespan: str = setting("auto", choice("auto", "on", "off"), "ASGI lifespan protocol")
    workers: int = setting(1, COUNT, "worker processes")
    threads: int = setting(32, COUNT, "threads for a WSGI app, per worker")
    grace: float | None = setting(
        None,
        DURATION,
        "the pod's terminationGracePeriodSeconds",
        f"the profile's ({DEFAULT_GRACE_SECONDS:g}s) in a pod, else {OUTSIDE_GRACE_SECONDS:g}s",
    )
    profile: str = setting(
        "clusterip", choice(*PROFILES), "drain and grace for what routes to the pod"
    )
    drain_readiness: str = setting(
        "fail", choice("fail", "serve"), "what /readyz says during the drain"
    )
    drain_delay: float | None = setting(
        None,
        DURATION,
        "go on accepting for this long after SIGTERM",
        f"the profile's ({PROFILES['clusterip'][0]:g}s) in a pod, else 0s",
    )
    hook_time: float = setting(5.0, DURATION, "lifespan shutdown and shutdown hooks together", "5s")
    stream_window: float = setting(
        5.0, DURATION, "streams are ended spread over this long at most", "5s"
    )
    keep_alive_timeout: float = setting(
        75.0, DURATION, "close an idle connection; keep it above the load balancer's", "75s"
    )
    startup_timeout: float = setting(
        120.0, DURATION, "give up a start that takes longer (exit 3)", "2m"
    )
    stall_timeout: float = setting(
        30.0, DURATION, "/livez fails after this long without a heartbeat", "30s"
    )
    max_concurrency: int = setting(
        0, LIMIT, "requests at once per worker; more get 503 and Retry-After", "no limit"
    )
    max_wait: float = setting(0.0, DURATION, "wait this long for a place before the 503", "0s")
    max_requests: int = setting(0, LIMIT, "replace a worker after this many requests", "never")
    max_lifetime: float = setting(0.0, DURATION, "replace a worker of this age", "never")
    max_memory: int = setting(0, SIZE, "replace a worker of this size, such as 512Mi", "never")
    strict_exit: bool = setting(False, SWITCH, "exit 70 when work in flight had to be cut")
    access_log: bool = setting(True, SWITCH, "one line for each request")

    def budget(self) -> Budget:
        """Return the grace period divided; raises SettingsError when the sum does not fit."""
        drain, grace = PROFILES[self.profile] if self.in_pod else (0.0, OUTSIDE_GRACE_SECONDS)
        drain = drain if self.drain_delay is None else self.drain_delay
        grace = grace if self.grace is None else self.grace
        return divide(grace, drain, self.hook_time)


OPTIONS: Final = (
    *(option for option in options_of(RunConfig) if option not in LOG_OPTIONS),
    *LOG_OPTIONS,
)


def in_pod(environ: Mapping[str, str]) -> bool:
    """Return whether this process runs in a Kubernetes pod."""
    return _KUBERNETES_MARK in environ


def load_config(arguments: Sequence[str], environ: Mapping[str, str]) -> RunConfig:
    """Return the settings that `arguments` (after `podready run`) and `environ` amount to.

    Raises UsageError for a flag that does not exist or a missing app, and SettingsError with
    every bad value at once.
    """
    app, given = _split(arguments)
    if app is None:
        raise UsageError("podready run needs the app as MODULE:ATTR, for example main:app")
    return _config(app, given, environ, "podready run")


def config_from_environment(app: str, environ: Mapping[str, str], reader: str) -> RunConfig:
    """Return the settings that `environ` amounts to, where there is no command line.

    `app` names the app for people, `reader` names in an error who needs the settings. Raises
    SettingsError with every bad value at once.
    """
    return _config(app, {}, environ, reader)


def _config(
    app: str, given: Mapping[str, str], environ: Mapping[str, str], reader: str
) -> RunConfig:
    values: dict[str, Any] = {}
    problems = read_options(OPTIONS, given, environ, values)
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


def _split(arguments: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """Return the app and the flags' texts by setting name."""
    by_flag = {option.flag: option for option in OPTIONS}
    app: str | None = None
    given: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            if app is not None:
                raise UsageError(f"podready run takes one app, but was given {app!r} and {word!r}")
            app = word
            continue
        flag, equals, text = word.partition("=")
        if flag.startswith("--no-") and "--" + flag[5:] in by_flag and not equals:
            flag, equals, text = "--" + flag[5:], "=", "false"
        option = _known(flag, by_flag)
        if not equals:
            text = _value_after(option, rest)
        given[option.name] = text
    return app, given


def _known(flag: str, by_flag: Mapping[str, Option]) -> Option:
    if flag in by_flag:
        return by_flag[flag]
    near = closest_match(flag, by_flag)
    hint = f"; did you mean {near}?" if near else "; see podready run --help"
    raise UsageError(f"podready run has no option {flag}{hint}")


def _value_after(option: Option, rest: list[str]) -> str:
    if option.kind is SWITCH:
        return "true"
    if not rest or rest[0].startswith("--"):
        raise UsageError(f"{option.flag} needs a value ({option.kind.metavar})")
    return rest.pop(0)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each PODREADY_* variable that no setting reads."""
    known = {name for option in OPTIONS for name in option.variables} | {ENV_TERMINATION_LOG}
    sentences = []
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or name in known or is_service_link(name, environ[name]):
            continue
        near = closest_match(name, known)
        hint = f"; did you mean {near}?" if near else ""
        sentences.append(f"{name} is not a setting of podready run{hint}")
    return sentences
