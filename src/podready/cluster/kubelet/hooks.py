"""postStart and preStop: what a container's lifecycle hooks do (pkg/kubelet/lifecycle)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from podready.cluster.kubelet.probes.http_request import HttpRequestError, HttpTarget, get
from podready.cluster.kubelet.probes.probe import ProbeTarget, http_target

if TYPE_CHECKING:
    from podready.kube.meta import Object

_USER_AGENT: Final = "kube-lifecycle/1.35"
_HTTP_SECONDS: Final = 30.0
"""A hook ends with the grace period anyway; this bounds a postStart request."""


class HookError(Exception):
    """The hook failed; the message says how."""


async def run_hook(hook: Object, target: ProbeTarget, timeout: float) -> None:
    """Run one hook to its end; HookError when it fails. An HTTP answer of any status succeeds."""
    try:
        if "exec" in hook:
            await _exec(tuple(hook["exec"].get("command") or ()), target, timeout)
        elif "httpGet" in hook:
            where = http_target(hook["httpGet"], target)
            await _http(where, target, min(timeout, _HTTP_SECONDS))
        elif "sleep" in hook:
            await asyncio.sleep(hook["sleep"]["seconds"])
        else:
            raise HookError("this kind of hook is not supported (use exec, httpGet or sleep)")
    except LookupError as error:
        raise HookError(str(error.args[0])) from error


async def _exec(argv: tuple[str, ...], target: ProbeTarget, timeout: float) -> None:
    try:
        result = await target.command(argv, timeout)
    except OSError as error:
        name = argv[0] if argv else ""
        raise HookError(f'exec: "{name}": {error.strerror or error}') from error
    if result.timed_out:
        raise HookError(f"command {list(argv)} was killed after {timeout:g}s")
    if result.code:
        output = result.output.decode(errors="replace").strip()
        raise HookError(f"command {list(argv)} exited with {result.code}: {output}")


async def _http(where: HttpTarget, target: ProbeTarget, timeout: float) -> None:
    """Send the request; a server that speaks no TLS gets it in plain, as the kubelet does."""
    try:
        await get(target.dial, where, _USER_AGENT, timeout)
    except HttpRequestError as error:
        if where.scheme != "HTTPS":
            raise HookError(str(error)) from error
        plain = HttpTarget(where.ip, where.port, where.path, "HTTP", where.headers)
        await _http(plain, target, timeout)
