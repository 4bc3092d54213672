"""Every metric of the page at /metrics: one table, from which the page and its reference come.

The HTTP names and buckets are OpenTelemetry's stable semantic conventions in the form that
Prometheus gives them; `process_*` and `python_gc_*` are those of every Prometheus client; the
runtime's own metrics are called `podready_*`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MetricKind = Literal["counter", "gauge", "histogram"]

Merge = Literal["sum", "live", "max", "own"]
"""How values of several workers become one.

sum: of all workers, ended ones included. live: the sum of running workers. max: the largest, ended
workers included. own: the supervisor's, or one series for each worker.
"""

SECONDS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
"""Upper bounds that OpenTelemetry's conventions advise for http.server.request.duration."""

LAGS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Upper bounds for the event loop's lag; 30 s is where /livez begins to fail."""


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One metric: its name on the page, what it is, and its labels."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    merge: Merge = "sum"
    bounds: tuple[float, ...] = ()


REQUEST_DURATION: Final = Family(
    "http_server_request_duration_seconds",
    "histogram",
    "Duration of HTTP requests, from their head to the end of the answer; its _count is the rate.",
    ("http_request_method", "http_route", "http_response_status_code", "url_scheme"),
    bounds=SECONDS,
)
ACTIVE_REQUESTS: Final = Family(
    "http_server_active_requests",
    "gauge",
    "HTTP requests in flight, streams included.",
    ("http_request_method", "url_scheme"),
    merge="live",
)
STATE: Final = Family(
    "podready_state",
    "gauge",
    "1 for the phase the pod is in: starting, ready, draining, closing, stopped.",
    ("state",),
    merge="own",
)
SERVING: Final = Family("podready_ready", "gauge", "1 while /readyz answers 200.", merge="own")
CHECK_STATUS: Final = Family(
    "podready_check_status",
    "gauge",
    "1 while the check is good in every worker, 0 while it is bad in one.",
    ("check", "critical"),
    merge="own",
)
IN_FLIGHT: Final = Family(
    "podready_in_flight",
    "gauge",
    "Requests and named tasks in flight, as of the last heartbeats.",
    merge="own",
)
STREAMS: Final = Family(
    "podready_streams",
    "gauge",
    "Event streams and WebSockets that are open, as of the last heartbeats.",
    merge="own",
)
CONNECTIONS: Final = Family(
    "podready_connections",
    "gauge",
    "Open connections to the main port, idle ones included, as of the last heartbeats.",
    merge="own",
)
REJECTED: Final = Family(
    "podready_shed_total", "counter", "Requests answered 503 because of --max-concurrency."
)
DRAIN_SECONDS: Final = Family(
    "podready_drain_seconds",
    "gauge",
    "Seconds since the first SIGTERM; 0 before it.",
    merge="own",
)
DRAIN_LAST_NEW_REQUEST: Final = Family(
    "podready_drain_last_new_request_seconds",
    "gauge",
    "How long after SIGTERM the last new request still came; the drain delay must be longer.",
    merge="max",
)
CANCELLED: Final = Family(
    "podready_cancelled_total",
    "counter",
    "Requests, streams and tasks that had to be cut at the deadline of the stop.",
)
HOOK_SECONDS: Final = Family(
    "podready_hook_seconds",
    "gauge",
    "How long a shutdown hook took.",
    ("hook",),
    merge="max",
)
STARTUP_STEP_SECONDS: Final = Family(
    "podready_startup_step_seconds",
    "gauge",
    "How long a step of the last worker's start took.",
    ("step",),
    merge="own",
)
BUDGET_SECONDS: Final = Family(
    "podready_budget_seconds",
    "gauge",
    "How the grace period is divided: drain, inflight, hooks, margin, and grace, their sum.",
    ("part",),
    merge="own",
)
WORKERS: Final = Family("podready_workers", "gauge", "Workers that are listening.", merge="own")
WORKER_EXITS: Final = Family(
    "podready_worker_exits_total",
    "counter",
    "Workers that ended, by exit code or signal; recycled ones end with 0.",
    ("how",),
    merge="own",
)
LOOP_LAG: Final = Family(
    "podready_event_loop_lag_seconds",
    "histogram",
    "How late the event loop woke a sleeper; sampled twice a second in each worker.",
    bounds=LAGS,
)
LOOP_STALLS: Final = Family(
    "podready_event_loop_stalls_total",
    "counter",
    "Times that the event loop was blocked for more than a second.",
)
THROTTLED: Final = Family(
    "podready_throttled_seconds_total",
    "counter",
    "Seconds for which the kernel held the container back because of its CPU limit.",
    merge="own",
)
LOG_DROPPED: Final = Family(
    "podready_log_dropped_lines_total",
    "counter",
    "Log lines dropped because stdout was not read.",
)
GC_COLLECTIONS: Final = Family(
    "python_gc_collections_total",
    "counter",
    "Garbage collections, by generation.",
    ("generation",),
)
GC_SECONDS: Final = Family(
    "podready_gc_seconds_total",
    "counter",
    "Seconds spent in garbage collections, by generation.",
    ("generation",),
)
PROCESS_CPU: Final = Family(
    "process_cpu_seconds_total",
    "counter",
    "CPU time of the process, user and system.",
    ("worker",),
    merge="own",
)
PROCESS_MEMORY: Final = Family(
    "process_resident_memory_bytes",
    "gauge",
    "Resident memory of the process.",
    ("worker",),
    merge="own",
)
PROCESS_FDS: Final = Family(
    "process_open_fds", "gauge", "Open file descriptors.", ("worker",), merge="own"
)
PROCESS_MAX_FDS: Final = Family(
    "process_max_fds", "gauge", "Limit of open file descriptors.", ("worker",), merge="own"
)
PROCESS_START: Final = Family(
    "process_start_time_seconds",
    "gauge",
    "When the process started, in seconds since 1970.",
    ("worker",),
    merge="own",
)
BUILD_INFO: Final = Family(
    "podready_build_info",
    "gauge",
    "Always 1; the labels say what runs.",
    ("version", "python", "engine"),
    merge="own",
)

FAMILIES: Final = tuple(each for each in list(globals().values()) if isinstance(each, Family))
"""All of them, in the order of the page; a cell in shared memory has its family's place here."""

PLACE: Final = {family: place for place, family in enumerate(FAMILIES)}


def label_text(family: Family, *values: str) -> str:
    """Return the labels as written between the braces; raises ValueError for a wrong number."""
    pairs = zip(family.labels, values, strict=True)
    return ",".join(f'{name}="{_escape(value)}"' for name, value in pairs)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
