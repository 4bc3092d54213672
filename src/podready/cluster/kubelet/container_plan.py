"""From a container's spec to everything its sandbox needs: image, command, environment, mounts."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from podready.cluster.kubelet.environment import (
    ContainerConfigError,
    EnvironmentContext,
    Reference,
    command_line,
    container_environment,
    references,
)
from podready.cluster.kubelet.shell import as_in_image
from podready.cluster.kubelet.volumes import mounts_of
from podready.cluster.sandbox.interface import ContainerSpec, Mount
from podready.contract import TERMINATION_LOG
from podready.dockerfile import DEFAULT_PATH
from podready.kube.gvk import CONFIG_MAP, SECRET, SERVICE
from podready.kube.meta import Object, copy_of, dig
from podready.kube.status import NotFound

if TYPE_CHECKING:
    from podready.cluster.kubelet.context import PodContext
    from podready.cluster.kubelet.images import LocalImage

_KINDS: Final = {"ConfigMap": CONFIG_MAP, "Secret": SECRET}


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """One run of a container, resolved: nothing is left to look up."""

    spec: ContainerSpec
    image: LocalImage
    stop_signal: int
    termination_log: Path


async def environment_context(pod: PodContext, wanted: set[Reference]) -> EnvironmentContext:
    """Fetch what a pod's environment and volumes refer to; missing sources are left out."""
    client = pod.node.client
    services = (await client.list(SERVICE, pod.namespace)).items
    if pod.namespace != "default":
        with contextlib.suppress(NotFound):
            services.append(await client.get(SERVICE, "default", "kubernetes"))
    sources = {}
    for kind, name in sorted(wanted):
        try:
            sources[kind, name] = await client.get(_KINDS[kind], pod.namespace, name)
        except NotFound:
            continue
    seen = copy_of(pod.pod)
    ip = pod.sandbox.ip if pod.sandbox else ""
    seen.setdefault("status", {}).update(podIP=ip, hostIP=pod.node.host_ip)
    return EnvironmentContext(seen, tuple(services), sources, pod.node.allocatable)


async def plan_container(pod: PodContext, container: Object, log: Path) -> ContainerPlan:
    """Resolve one run of a container.

    ImageUnavailableError or ContainerConfigError say what is missing; both may heal by waiting.
    """
    image = pod.node.images.resolve(container["image"])
    context = await environment_context(pod, references(container))
    own = container_environment(container, context)
    argv = command_line(container, image.config.entrypoint, image.config.cmd, own)
    if not argv:
        raise ContainerConfigError(
            f"no command: neither the pod nor {image.config.file} gives a CMD or ENTRYPOINT"
        )
    termination_log = _termination_log(pod, container)
    spec = ContainerSpec(
        name=container["name"],
        argv=as_in_image(argv, image.config.base),
        env=_environment(image, own, pod.name),
        cwd=_directory(pod, container, image),
        log=log,
        mounts=_mounts(pod, container, image, own, termination_log),
        hostname=pod.name,
        read_only=bool(dig(container, "securityContext", "readOnlyRootFilesystem")),
    )
    return ContainerPlan(spec, image, stop_signal(container, image), termination_log)


def stop_signal(container: Object, image: LocalImage) -> int:
    """Return what ends the container: lifecycle.stopSignal, the image's STOPSIGNAL, SIGTERM."""
    wanted = dig(container, "lifecycle", "stopSignal") or image.config.stop_signal or "SIGTERM"
    if wanted.isdigit():
        return int(wanted)
    name, _, offset = wanted.partition("+")
    name = name if name.startswith("SIG") else "SIG" + name
    try:
        return int(signal.Signals[name]) + int(offset or 0)
    except (KeyError, ValueError):
        raise ContainerConfigError(f"unknown stop signal {wanted!r}") from None


def _environment(image: LocalImage, own: dict[str, str], hostname: str) -> dict[str, str]:
    """Return the whole environment: the runtime's, the image's, then Kubernetes' own."""
    env = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname, "HOME": "/root"}
    if image.config.user and not image.config.user.startswith(("0", "root")):
        env["HOME"] = "/"  # what runtimes give a user that /etc/passwd does not know
    env |= dict(image.config.env) | own
    env["PATH"] = ":".join((*image.path, env["PATH"]))
    return env


def _directory(pod: PodContext, container: Object, image: LocalImage) -> str:
    """Return the working directory, or the project's own where the image's cannot be shown."""
    wanted = str(container.get("workingDir") or image.workdir)
    if pod.node.sandbox.private_root or Path(wanted).is_dir():
        return wanted
    return str(image.home)


def _mounts(
    pod: PodContext,
    container: Object,
    image: LocalImage,
    env: dict[str, str],
    termination_log: Path,
) -> tuple[Mount, ...]:
    volumes = mounts_of(container, pod.volumes, env)
    if not pod.node.sandbox.private_root:
        hidden = [mount.target for mount in volumes if not Path(mount.target).exists()]
        if hidden:
            pod.warn(
                "FailedMount",
                f"{', '.join(hidden)}: this machine cannot show a volume where no path exists",
            )
    target = container.get("terminationMessagePath") or TERMINATION_LOG
    shown = (*image.mounts, *volumes)
    return (*shown, *image.hidden_by(shown), Mount(termination_log, target))


def _termination_log(pod: PodContext, container: Object) -> Path:
    """Return a new file for the container's termination message."""
    path: Path = pod.directory / f"{container['name']}.termination-log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    path.chmod(0o666)
    return path
