"""What is wrong with the manifests even before a request is lost. Pure.

Only what the rehearsal itself can be blamed for not showing: probes and replicas that let a
clean rehearsal turn into an outage later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from podready.contract import ADMIN_PORT
from podready.kube.meta import dig
from podready.kube.networking import resolve_target_port
from podready.rehearse.load.summary import StreamEnd
from podready.rehearse.result import Cause
from podready.rehearse.target import RehearsalTarget

Object = dict[str, Any]


def manifest_findings(target: RehearsalTarget) -> tuple[Cause, ...]:
    """Return what the Deployment's manifest is missing or gets wrong."""
    spec = dig(target.manifest.object, "spec", "template", "spec", default={})
    container = dig(spec, "containers", 0, default={})
    found = (_no_readiness(target, container), _liveness(target, spec, container), _single(target))
    return tuple(finding for finding in found if finding is not None)


def stream_findings(streams: Sequence[StreamEnd]) -> Iterable[Cause]:
    """Yield a finding when open streams were cut instead of ended in their protocol's own way."""
    cut = [stream for stream in streams if stream.end == "cut"]
    if cut:
        paths = ", ".join(sorted({stream.path for stream in cut}))
        yield Cause(
            "stream-cut",
            len(cut),
            "Open streams were cut instead of ended",
            "End streams when the drain ends: SSE by its last chunk, WebSockets by close 1012. "
            "`podready run` does both.",
            f"{len(cut)} of {len(streams)} streams ({paths}) broke without an end.",
        )


def _no_readiness(target: RehearsalTarget, container: Object) -> Cause | None:
    if container.get("readinessProbe"):
        return None
    return Cause(
        "no-readiness-probe",
        1,
        "Pods get requests before they listen",
        f"Add a readinessProbe; `podready run` answers /readyz on port {ADMIN_PORT}.",
        f"Container {target.container} has no readinessProbe ({_where(target, 'name')}), so a pod "
        "counts as Ready as soon as its process runs.",
        f"+readinessProbe:\n+  httpGet: {{path: /readyz, port: {ADMIN_PORT}}}\n+  periodSeconds: 2",
    )


def _liveness(target: RehearsalTarget, spec: Object, container: Object) -> Cause | None:
    port = dig(container, "livenessProbe", "httpGet", "port")
    if port is None:
        port = dig(container, "livenessProbe", "tcpSocket", "port")
    if port is None or resolve_target_port({"targetPort": port, "port": 0}, {"spec": spec}) != (
        target.pod_port
    ):
        return None
    return Cause(
        "liveness-on-app-port",
        1,
        "Liveness is asked on the app's own port",
        f"Ask a process that stays responsive: /livez on port {ADMIN_PORT} of `podready run`.",
        f"The livenessProbe asks port {port} ({_where(target, 'livenessProbe')}): when the app is "
        "merely busy, the kubelet restarts it, just when most requests are under way.",
        " livenessProbe:\n"
        f"-  httpGet: {{path: {dig(container, 'livenessProbe', 'httpGet', 'path', default='/')}, "
        f"port: {port}}}\n"
        f"+  httpGet: {{path: /livez, port: {ADMIN_PORT}}}",
    )


def _single(target: RehearsalTarget) -> Cause | None:
    if target.replicas > 1:
        return None
    return Cause(
        "single-replica",
        1,
        "One replica cannot survive the loss of its pod",
        "Run at least two replicas.",
        f"Deployment {target.deployment} has replicas: {target.replicas} ({_where(target)}): when "
        "its only pod crashes or its node goes, no pod answers until another one is ready.",
        f"-replicas: {target.replicas}\n+replicas: 2",
    )


def _where(target: RehearsalTarget, field: str = "") -> str:
    path = f"spec.template.spec.containers[0].{field}" if field else "spec.replicas"
    return f"{target.manifest.file}:{target.manifest.line_of(path)}"
