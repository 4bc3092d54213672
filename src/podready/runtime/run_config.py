"""The settings of `podready run`: one frozen dataclass from which flags, variables and help come.

Each field of `RunConfig` carries its kind and its help text; `--drain-delay` and
PODREADY_DRAIN_DELAY both follow from the field's name. A flag wins over the variable, the
variable over the default. All bad values are reported together.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from podready.contract import (
    ADMIN_PORT,
    DEFAULT_GRACE_SECONDS,
    ENV_PREFIX,
    OUTSIDE_GRACE_SECONDS,
)
from podready.errors import SettingsError, UsageError
from podready.runtime.budget import Budget, divide
from podready.runtime.logs.line_limit import DEFAULT_BYTES
from podready.runtime.logs.options import FORMATS, LogOptions, chosen_format
from podready.runtime.logs.sampling import Rule
from podready.runtime.options.kinds import (
    COUNT,
    DURATION,
    LEVEL,
    LEVELS,
    LIMIT,
    LINE_SIZE,
    NAMES,
    PORT,
    SAMPLING,
    SECRET,
    SIZE,
    SWITCH,
    TEXT,
    Kind,
    choice,
)
from podready.runtime.options.secret_files import read_secret
from podready.runtime.severity import level_of
from podready.runtime.termination import ENV_TERMINATION_LOG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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


def _setting(default: Any, kind: Kind, text: str, shown: str = "") -> Any:
    return field(default=default, metadata={"kind": kind, "help": text, "shown": shown})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything `podready run` can be told; durations in seconds."""

    app: str
    in_pod: bool = False
    host: str = _setting("0.0.0.0", TEXT, "address of the main listener")
    port: int = _setting(8000, PORT, "port of the main listener; $PORT is read too, after these")
    admin_host: str = _setting("0.0.0.0", TEXT, "address of the probes' listener")
    admin_port: int = _setting(ADMIN_PORT, PORT, "port of /livez /readyz /startupz")
    grpc_health_port: int | None = _setting(
        None, PORT, "port of the gRPC health service, for gRPC probes (podready[grpc])", "off"
    )
    admin_token: str | None = field(
        default=None,
        repr=False,
        metadata={
            "kind": SECRET,
            "help": "file with a bearer token that opens details to other pods",
            "shown": "none",
        },
    )
    interface: str = _setting("auto", choice("auto", "asgi", "wsgi"), "what the app speaks")
    app_dir: str = _setting(".", TEXT, "directory put first on sys.path")
    engine: str = _setting("uvicorn", choice("uvicorn", "granian"), "server engine")
    lifespan: str = _setting("auto", choice("auto", "on", "off"), "ASGI lifespan protocol")
    workers: int = _setting(1, COUNT, "worker processes")
    threads: int = _setting(32, COUNT, "threads for a WSGI app, per worker")
    grace: float | None = _setting(
        None,
        DURATION,
        "the pod's terminationGracePeriodSeconds",
        f"the profile's ({DEFAULT_GRACE_SECONDS:g}s) in a pod, else {OUTSIDE_GRACE_SECONDS:g}s",
    )
    profile: str = _setting(
        "clusterip", choice(*PROFILES), "drain and grace for what routes to the pod"
    )
    drain_readiness: str = _setting(
        "fail", choice("fail", "serve"), "what /readyz says during the drain"
    )
    drain_delay: float | None = _setting(
        None,
        DURATION,
        "go on accepting for this long after SIGTERM",
        f"the profile's ({PROFILES['clusterip'][0]:g}s) in a pod, else 0s",
    )
    hook_time: float = _setting(
        5.0, DURATION, "lifespan shutdown and shutdown hooks together", "5s"
    )
    stream_window: float = _setting(
        5.0, DURATION, "streams are ended spread over this long at most", "5s"
    )
    keep_alive_timeout: float = _setting(
        75.0, DURATION, "close an idle connection; keep it above the load balancer's", "75s"
    )
    startup_timeout: float = _setting(
        120.0, DURATION, "give up a start that takes longer (exit 3)", "2m"
    )
    stall_timeout: float = _setting(
        30.0, DURATION, "/livez fails after this long without a heartbeat", "30s"
    )
    max_concurrency: int = _setting(
        0, LIMIT, "requests at once per worker; more get 503 and Retry-After", "no limit"
    )
    max_wait: float = _setting(0.0, DURATION, "wait this long for a place before the 503", "0s")
    max_requests: int = _setting(0, LIMIT, "replace a worker after this many requests", "never")
    max_lifetime: float = _setting(0.0, DURATION, "replace a worker of this age", "never")
    max_memory: int = _setting(0, SIZE, "replace a worker of this size, such as 512Mi", "never")
    strict_exit: bool = _setting(False, SWITCH, "exit 70 when work in flight had to be cut")
    log_level: str = _setting("info", LEVEL, "least severe line that is logged")
    log_format: str = _setting(
        "auto",
        choice("auto", *FORMATS),
        "JSON lines, or readable ones (auto: at a terminal)",
    )
    log_levels: Mapping[str, int] | None = _setting(
        None, LEVELS, "levels of single loggers, such as shop=debug,httpx=warning", "none"
    )
    log_on_stall: str = _setting(
        "drop", choice("drop", "block"), "what to do with lines that nobody reads"
    )
    log_max_line: int = _setting(DEFAULT_BYTES, LINE_SIZE, "longest line in bytes", "16000")
    log_sample: Rule | None = _setting(  # noqa: RUF009 - a field like the others
        None, SAMPLING, "of equal lines in a second the first ones, then every nth", "off"
    )
    log_redact: tuple[str, ...] = _setting(
        (), NAMES, "further names of fields whose values are secret", "none"
    )
    log_takeover: bool = _setting(
        True, SWITCH, "re-form what libraries' handlers write to stdout and stderr"
    )
    log_prints: bool = _setting(True, SWITCH, "make log lines of what the app prints")
    access_log: bool = _setting(True, SWITCH, "one line for each request")

    def logs(self) -> LogOptions:
        """Return the settings of the log as the log wants them."""
        return LogOptions(
            format=chosen_format(self.log_format),
            level=level_of(self.log_level),
            levels=self.log_levels or {},
            block=self.log_on_stall == "block",
            max_line=self.log_max_line,
            sample=self.log_sample,
            redact=self.log_redact,
            takeover=self.log_takeover,
            prints=self.log_prints,
        )

    def budget(self) -> Budget:
        """Return the grace period divided; raises SettingsError when the sum does not fit."""
        drain, grace = PROFILES[self.profile] if self.in_pod else (0.0, OUTSIDE_GRACE_SECONDS)
        drain = drain if self.drain_delay is None else self.drain_delay
        grace = grace if self.grace is None else self.grace
        return divide(grace, drain, self.hook_time)


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table: a setting with its flag and its variable."""

    name: str
    kind: Kind
    default: Any
    help: str
    shown: str

    @property
    def flag(self) -> str:
        """The command line's word for it; a secret is given as a file, for all can read argv."""
        return "--" + self.name.replace("_", "-") + ("-file" if self.kind is SECRET else "")

    @property
    def variable(self) -> str:
        """The environment's word for it."""
        return ENV_PREFIX + self.name.upper()

    @property
    def variables(self) -> tuple[str, ...]:
        """All variables that are read for it, the one that wins first."""
        more = (f"{self.variable}_FILE",) if self.kind is SECRET else ()
        return self.variable, *more

    @property
    def default_text(self) -> str:
        """The default as the help text shows it."""
        return self.shown or str(self.default).lower()


OPTIONS: Final = tuple(
    Option(
        item.name,
        item.metadata["kind"],
        item.default,
        item.metadata["help"],
        item.metadata["shown"],
    )
    for item in fields(RunConfig)
    if item.metadata
)


def in_pod(environ: Mapping[str, str]) -> bool:
    """Return whether this process runs in a Kubernetes pod."""
    return _KUBERNETES_MARK in environ


def log_options(environ: Mapping[str, str], format_: str, level: str) -> LogOptions:
    """Return the log's settings where `podready run` does not read them; variables win.

    Raises SettingsError with every bad value at once.
    """
    values: dict[str, Any] = {"log_format": format_, "log_level": level}
    read = [option for option in OPTIONS if option.name.startswith("log_")]
    problems = _read_all(read, {}, environ, values)
    if problems:
        raise SettingsError(_report("podready's logs", problems))
    return RunConfig(app="", **values).logs()


def load_config(arguments: Sequence[str], environ: Mapping[str, str]) -> RunConfig:
    """Return the settings that `arguments` (after `podready run`) and `environ` amount to.

    Raises UsageError for a flag that does not exist or a missing app, and SettingsError with
    every bad value at once.
    """
    app, given = _split(arguments)
    if app is None:
        raise UsageError("podready run needs the app as MODULE:ATTR, for example main:app")
    values: dict[str, Any] = {}
    problems = _read_all(OPTIONS, given, environ, values)
    config = RunConfig(app=app, in_pod=in_pod(environ), **values)
    problems += _misfits(config)
    if problems:
        raise SettingsError(_report("podready run", problems))
    return config


def _read_all(
    options: Iterable[Option],
    given: Mapping[str, str],
    environ: Mapping[str, str],
    values: dict[str, Any],
) -> list[str]:
    """Add to `values` what flags and variables say; return a sentence for each bad one."""
    problems = []
    for option in options:
        try:
            source, text = _find(option, given, environ)
            if text is not None:
                values[option.name] = _parse(option, source, text)
        except ValueError as error:
            problems.append(str(error))
    return problems


def _report(who: str, problems: Iterable[str]) -> str:
    return f"{who} cannot use these settings:" + "".join(f"\n  {each}" for each in problems)


def _parse(option: Option, source: str, text: str) -> Any:
    """Return the value; raises ValueError with the sentence for the user."""
    try:
        return option.kind.parse(text)
    except ValueError as error:
        shown = "its value" if option.kind is SECRET else repr(text)
        raise ValueError(f"{source}: {shown} is not {error}") from None


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
    near = _nearest(flag, by_flag)
    hint = f"; did you mean {near[0]}?" if near else "; see podready run --help"
    raise UsageError(f"podready run has no option {flag}{hint}")


def _nearest(word: str, known: Iterable[str]) -> list[str]:
    """Return the known word that is most like `word`, if any is."""
    from difflib import get_close_matches

    return get_close_matches(word, known, n=1)


def _value_after(option: Option, rest: list[str]) -> str:
    if option.kind is SWITCH:
        return "true"
    if not rest or rest[0].startswith("--"):
        raise UsageError(f"{option.flag} needs a value ({option.kind.metavar})")
    return rest.pop(0)


def _find(
    option: Option, given: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[str, str | None]:
    """Return where the option's text comes from, and the text (None: the default holds)."""
    if option.kind is SECRET:
        return _find_secret(option, given, environ)
    if option.name in given:
        return option.flag, given[option.name]
    text = environ.get(option.variable, "").strip()  # empty is unset: templates write such
    if text and not _is_service_link(text):
        return option.variable, text
    if option.name == "port" and environ.get(_PLATFORM_PORT, "").strip():
        return _PLATFORM_PORT, environ[_PLATFORM_PORT]
    return option.variable, None


def _find_secret(
    option: Option, given: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[str, str | None]:
    """Do what `_find` does for a secret, which may be in a file; raises ValueError without one."""
    in_file = f"{option.variable}_FILE"
    if option.name in given:
        return option.flag, read_secret(option.flag, given[option.name])
    if option.variable in environ:
        return option.variable, environ[option.variable]
    if in_file in environ:
        return in_file, read_secret(in_file, environ[in_file])
    return option.variable, None


def _is_service_link(text: str) -> bool:
    """Whether the kubelet wrote it: a Service named podready gives PODREADY_PORT=tcp://10..."""
    return text.startswith(("tcp://", "udp://", "sctp://"))


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each PODREADY_* variable that no setting reads."""
    known = {name for option in OPTIONS for name in option.variables} | {ENV_TERMINATION_LOG}
    sentences = []
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or name in known or _is_service_variable(name):
            continue
        near = _nearest(name, known)
        hint = f"; did you mean {near[0]}?" if near else ""
        sentences.append(f"{name} is not a setting of podready run{hint}")
    return sentences


def _is_service_variable(name: str) -> bool:
    """Whether the kubelet's service links made it (PODREADY_SERVICE_HOST, PODREADY_PORT_...)."""
    return "_SERVICE_" in name or name.startswith(ENV_PREFIX + "PORT_")
