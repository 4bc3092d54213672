"""Flags that people know from uvicorn, gunicorn, hypercorn and granian.

A few work as they do there; the others end with one sentence that says what to do instead. Only
imported for a flag that is not podready's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from podready.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Container

_TLS: Final = "TLS ends at the Ingress, the Gateway or the mesh, and the pod speaks plain HTTP"
_STDOUT: Final = "lines go to stdout; see --access-log, --log-level and --log-format"
_LOG: Final = "podready configures the log; see --log-level, --log-levels and --log-format"
_ADDRESS: Final = "the app listens on one TCP address; say --host and --port"
_KEEP_ALIVE: Final = "say --keep-alive-timeout"
_GRACE: Final = (
    "say --grace-period, the pod's terminationGracePeriodSeconds, which holds for all that "
    "happens after SIGTERM"
)
_FORWARDED: Final = (
    "forwarded headers have no flag yet; under the uvicorn engine the variable "
    "FORWARDED_ALLOW_IPS names the proxies whose headers are believed"
)
_RELOAD: Final = "it is for development; use `uvicorn --reload` there"
_HEAD_LIMITS: Final = "the engine's limits for the head of a request are fixed"
_PARTS: Final = "the loop, the parser and the protocols belong to the engine; see --engine"
_SOCKETS: Final = "the engine's limits and pings of WebSockets are fixed"
_HTTP2: Final = "HTTP/2 ends at the proxy before the pod, which speaks HTTP/1.1 to it"
_METRICS: Final = "the admin port answers /metrics for Prometheus, without a setting"
_STATIC: Final = "static files are served by the app, or by the proxy before the pod"
_HEADERS: Final = "headers of answers are set by the app"
_USER: Final = "say runAsUser and runAsGroup in the pod's securityContext"
_SYNTAX: Final = "the engine decides which requests are malformed"
_NAMELESS: Final = "processes keep their names; the pod's name tells them apart"

_ANSWERS: Final[tuple[tuple[str, str], ...]] = (
    ("--certfile --keyfile --keyfile-password --ca-certs --cert-reqs --ciphers", _TLS),
    ("--verify-mode --do-handshake-on-connect --suppress-ragged-eofs", _TLS),
    ("--access-logfile --access-logformat --access-log-fmt --error-logfile", _STDOUT),
    ("--error-log --log-file --capture-output --enable-stdio-inheritance", _STDOUT),
    ("--disable-redirect-access-to-syslog", _STDOUT),
    ("--log --log-config --log-config-json --logger-class", _LOG),
    ("--uds --uds-permissions --fd --insecure-bind --quic-bind --reuse-port", _ADDRESS),
    ("--timeout-keep-alive --keep-alive --http1-keep-alive", _KEEP_ALIVE),
    ("--read-timeout --http1-header-read-timeout", _KEEP_ALIVE),
    ("--graceful-timeout --timeout-graceful-shutdown --workers-kill-timeout", _GRACE),
    ("--asgi-disconnect-grace-period", _GRACE),
    (
        "--timeout -t --timeout-worker-healthcheck",
        "a worker that hangs is found by --stall-timeout, and a request may take its time",
    ),
    ("--proxy-headers --forwarded-allow-ips --forwarder-headers", _FORWARDED),
    ("--proxy-allow-from --proxy-protocol --uwsgi-allow-from", _FORWARDED),
    ("--url-path-prefix", "say --root-path"),
    (
        "--worker-class -k --protocol",
        "the app's parameters say what it speaks; see --interface and --engine",
    ),
    ("--limit-concurrency --worker-connections --backpressure", "say --max-concurrency"),
    ("--limit-max-requests", "say --max-requests"),
    (
        "--limit-max-requests-jitter --max-requests-jitter",
        "workers are replaced one at a time, so --max-requests needs no jitter",
    ),
    ("--workers-lifetime", "say --max-lifetime"),
    ("--workers-max-rss --rss-samples --rss-sample-interval", "say --max-memory"),
    (
        "--respawn-failed-workers --respawn-interval",
        "a worker that ends is always replaced, after a pause that grows",
    ),
    ("--blocking-threads --blocking-threads-idle-timeout", "say --threads"),
    (
        "--backlog",
        "up to 2048 connections wait to be accepted, or fewer as net.core.somaxconn says",
    ),
    ("--loop --http --ws --http2 --task-impl --http-parser --http-protocols", _PARTS),
    ("--asgi-loop --runtime-mode --runtime-threads --runtime-blocking-threads", _PARTS),
    ("--reset-contextvars --no-sendfile --worker-tmp-dir", _PARTS),
    ("--asgi-lifespan", "say --lifespan"),
    ("--preload", "each worker imports the app itself, so that nothing is shared by accident"),
    ("--daemon -D", "the first process of a container stays in the foreground"),
    ("--pid --pid-file -p", "it is the first process of its container, and has no pid file"),
    (
        "--config -c",
        "settings are flags and PODREADY_* variables; there is no configuration file",
    ),
    ("--env-file --env-files --env -e", "set variables in the pod's manifest (env and envFrom)"),
    (
        "--chdir --working-dir --pythonpath",
        "say --app-dir, which comes first on sys.path; WORKDIR of the image sets the directory",
    ),
    ("--user -u --group -g --initgroups --umask -m", _USER),
    ("--name -n --process-name", _NAMELESS),
    ("--header --server-header --date-header --server-name", _HEADERS),
    ("--use-colors", "colours come with --log-format console"),
    ("--statsd-host --statsd-prefix --dogstatsd-tags --enable-backlog-metric", _METRICS),
    ("--check-config --print-config", "GET /config on the admin port shows the settings in force"),
    ("--spew --debug", "say --log-level debug"),
    ("--paste --paste-global --paster", "name the app as MODULE:ATTR"),
    ("--reload -R", _RELOAD),
    ("--limit-request-line --limit-request-fields --limit-request-field_size", _HEAD_LIMITS),
    ("--h11-max-incomplete-event-size", _HEAD_LIMITS),
    ("--casefold-http-method --strip-header-spaces --header-map", _SYNTAX),
    ("--websocket-ping-interval --websocket-max-message-size", _SOCKETS),
    (
        "--control-socket --control-socket-mode",
        "it is controlled by signals, and shown by the admin port",
    ),
    ("--version -v", "say podready --version"),
)
_BY_FLAG: Final = {flag: answer for flags, answer in _ANSWERS for flag in flags.split()}
_BY_PREFIX: Final = {
    "--ssl-": _TLS,
    "--reload-": _RELOAD,
    "--log-syslog": _STDOUT,
    "--http1-": _HEAD_LIMITS,
    "--http2-": _HTTP2,
    "--ws-": _SOCKETS,
    "--metrics": _METRICS,
    "--static-path-": _STATIC,
    "--permit-": _SYNTAX,
    "--dirty-": "there is one kind of worker; see --workers and --threads",
}
_BIND: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:/]*)(?::(?P<port>\d+))?")
_SHORT: Final = 2
_WORKING: Final = frozenset({"-w", "-b", "--bind"})


def translate(argument: str, rest: list[str], read: Container[str] = ()) -> list[str] | None:
    """Return what `argument` of another server is in podready; None for one that nobody has.

    A value is taken from `rest`; `read` holds the names of the settings read so far. Raises
    UsageError with one sentence for a flag of another server that podready has no equal of.
    """
    flag, attached = _apart(argument)
    if flag in _WORKING:
        value = _value(flag, attached, rest)
        if flag == "-w":
            return ["--workers", value]
        return _bind(flag, value, again="host" in read)
    answer = _answer(flag)
    if answer is not None:
        raise UsageError(f"podready run has no {flag}: {answer}")
    return None


def _apart(argument: str) -> tuple[str, str | None]:
    """Return the flag and the value that is attached to it: --bind=:80, -w4, -w=4."""
    if argument.startswith("--"):
        flag, equals, text = argument.partition("=")
        return flag, text if equals else None
    return argument[:_SHORT], argument[_SHORT:].removeprefix("=") or None


def _value(flag: str, attached: str | None, rest: list[str]) -> str:
    if attached is not None:
        return attached
    if not rest or rest[0].startswith("-"):
        raise UsageError(f"{flag} needs a value")
    return rest.pop(0)


def _answer(flag: str) -> str | None:
    known = flag.replace("--no-", "--", 1)
    if flag in _BY_FLAG or known in _BY_FLAG:
        return _BY_FLAG.get(flag) or _BY_FLAG[known]
    return next((text for prefix, text in _BY_PREFIX.items() if known.startswith(prefix)), None)


def _bind(flag: str, value: str, *, again: bool) -> list[str]:
    match = _BIND.fullmatch(value)
    if match is None or again or value.isdecimal() or not value:
        raise UsageError(f"{flag} {value}: {_ADDRESS}")
    host = match["host"].strip("[]") or "0.0.0.0"
    return [f"--host={host}", *([f"--port={match['port']}"] if match["port"] else [])]
