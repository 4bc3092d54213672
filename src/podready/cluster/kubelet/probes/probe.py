"""One run of one probe: what is asked, and what the answer means (pkg/kubelet/prober)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from podready.cluster.kubelet.probes.grpc_request import GrpcRequestError, ServingStatus, check
from podready.cluster.kubelet.probes.http_request import HttpRequestError, HttpTarget, get

if TYPE_CHECKING:
    import socket

    from podready.cluster.sandbox.interface import ExecResult
    from podready.kube.meta import Object

USER_AGENT: Final = "kube-probe/1.35"


class ProbeKind(StrEnum):
    """The three probes, as events name them."""

    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"

    @property
    def field(self) -> str:
        """Return the probe's field in a container."""
        return f"{self.value.lower()}Probe"


class ProbeTarget(Protocol):
    """A running container, as far as a probe or hook can reach it."""

    ip: str

    def dial(self) -> socket.socket:
        """Return a socket of the pod's network."""

    def port(self, wanted: str | int) -> int:
        """Return the number of a named or numbered port; LookupError when there is none."""

    async def command(self, argv: tuple[str, ...], timeout: float) -> ExecResult:
        """Run a command inside the container."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Whether the probe succeeded; `warning` becomes an event of its own."""

    ok: bool
    message: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The numbers of a probe with Kubernetes' defaults, in seconds and consecutive results."""

    initial_delay: float
    period: float
    timeout: float
    success: int
    failure: int

    @classmethod
    def of(cls, probe: Object) -> Thresholds:
        """Read a probe's numbers; zero means the default, as in the API's defaulting."""
        return cls(
            initial_delay=float(probe.get("initialDelaySeconds") or 0),
            period=float(probe.get("periodSeconds") or 10),
            timeout=float(probe.get("timeoutSeconds") or 1),
            success=int(probe.get("successThreshold") or 1),
            failure=int(probe.get("failureThreshold") or 3),
        )


async def run_probe(probe: Object, target: ProbeTarget, timeout: float) -> ProbeResult:
    """Ask once and judge the answer; never raises for what the app does."""
    try:
        if "httpGet" in probe:
            return await _http(probe["httpGet"], target, timeout)
        if "tcpSocket" in probe:
            return await _tcp(probe["tcpSocket"], target, timeout)
        if "exec" in probe:
            return await _exec(probe["exec"], target, timeout)
        if "grpc" in probe:
            return await _grpc(probe["grpc"], target, timeout)
    except LookupError as error:
        return ProbeResult(ok=False, message=str(error.args[0]))
    return ProbeResult(ok=False, message="a probe names one of httpGet, tcpSocket, exec and grpc")


def http_target(action: Object, target: ProbeTarget) -> HttpTarget:
    """Return where an httpGet action goes: the pod's IP unless it names a host."""
    headers = tuple((h["name"], h.get("value", "")) for h in action.get("httpHeaders") or ())
    path = action.get("path") or "/"
    return HttpTarget(
        ip=action.get("host") or target.ip,
        port=target.port(action["port"]),
        path=path if path.startswith("/") else "/" + path,
        scheme=(action.get("scheme") or "HTTP").upper(),
        headers=headers,
    )


async def _http(action: Object, target: ProbeTarget, timeout: float) -> ProbeResult:
    """Status 200-399 is success; a redirect to another host too, with a warning."""
    where = http_target(action, target)
    try:
        answer = await get(target.dial, where, USER_AGENT, timeout)
    except HttpRequestError as error:
        return ProbeResult(ok=False, message=str(error))
    if 300 <= answer.status < 400:
        return ProbeResult(ok=True, warning="HTTP probe: Probe terminated redirects")
    ok = 200 <= answer.status < 400
    return ProbeResult(ok, f"HTTP probe {_verb(ok)} with statuscode: {answer.status}")


def _verb(ok: bool) -> str:
    return "succeeded" if ok else "failed"


async def _tcp(action: Object, target: ProbeTarget, timeout: float) -> ProbeResult:
    where = HttpTarget(action.get("host") or target.ip, target.port(action["port"]))
    address = f"{where.ip}:{where.port}"
    loop = asyncio.get_running_loop()
    try:
        with target.dial() as sock:
            async with asyncio.timeout(timeout):
                await loop.sock_connect(sock, (where.ip, where.port))
    except TimeoutError:
        return ProbeResult(ok=False, message=f"dial tcp {address}: i/o timeout")
    except ConnectionRefusedError:
        return ProbeResult(ok=False, message=f"dial tcp {address}: connect: connection refused")
    except OSError as error:
        return ProbeResult(ok=False, message=f"dial tcp {address}: {error.strerror or error}")
    return ProbeResult(ok=True)


async def _grpc(action: Object, target: ProbeTarget, timeout: float) -> ProbeResult:
    address = (target.ip, target.port(action["port"]))
    try:
        status = await check(target.dial, address, action.get("service") or "", USER_AGENT, timeout)
    except ImportError:
        needs = "gRPC probes need the 'grpc' extra here: pip install 'podready[grpc]'"
        return ProbeResult(ok=False, message=needs)
    except GrpcRequestError as error:
        return ProbeResult(ok=False, message=str(error))
    if status is not ServingStatus.SERVING:
        return ProbeResult(ok=False, message=f'service unhealthy (responded with "{status.name}")')
    return ProbeResult(ok=True, message="service healthy")


async def _exec(action: Object, target: ProbeTarget, timeout: float) -> ProbeResult:
    argv = tuple(action.get("command") or ())
    try:
        result = await target.command(argv, timeout)
    except ProcessLookupError:
        return ProbeResult(ok=False, message="the container is not running")
    except OSError as error:
        reason = f'exec: "{argv[0] if argv else ""}": {error.strerror or error}'
        return ProbeResult(ok=False, message=reason)
    if result.timed_out:
        command = " ".join(argv)
        return ProbeResult(
            ok=False, message=f'command timed out: "{command}" timed out after {timeout:g}s'
        )
    output = result.output.decode(errors="replace").strip()
    return ProbeResult(result.code == 0, output or f"exit code {result.code}")
