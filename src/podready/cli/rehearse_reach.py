"""What the pods of a local rehearsal reach and get besides their manifests."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import replace

from podready.dockerfile import read_image
from podready.errors import AppError, ClusterError, UsageError
from podready.kube.addresses import HOST_NAME
from podready.project import Project
from podready.rehearse.manifests import shown
from podready.rehearse.overrides import Overrides
from podready.rehearse.result import RehearsalResult

_HOST_PORTS = "[tool.podready.rehearse] host-ports"


def check_host_ports(ports: Iterable[int]) -> None:
    """Raise UsageError when a port that pods are to reach has no listener."""
    for port in ports:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2.0).close()
        except OSError as error:
            raise UsageError(
                f"{_HOST_PORTS}: nothing answers at 127.0.0.1:{port} "
                f"({error.strerror or error}); start it first"
            ) from None


def overrides_of(project: Project, host: str) -> Overrides:
    """Return the project's own variables, with this machine by the name that pods know here.

    `host` is that name, "" when pods do not reach this machine; ClusterError when they have to.
    """
    settings = project.rehearse
    if not host and settings.host_ports:
        raise ClusterError(
            f"{_HOST_PORTS}: pods reach nothing of this machine, because its kernel refuses veth "
            "devices; try --sandbox plain"
        )
    return Overrides({k: v.replace(HOST_NAME, host or HOST_NAME) for k, v in settings.env.items()})


def reach_settings(project: Project) -> dict[str, str]:
    """Return what the report says of host ports and variables: names, never values."""
    settings = project.rehearse
    settings_shown = {}
    if settings.host_ports:
        settings_shown["host ports"] = ", ".join(map(str, settings.host_ports))
    if settings.env:
        settings_shown["environment of its own"] = ", ".join(settings.env)
    return settings_shown


def shell_limits(project: Project) -> tuple[str, ...]:
    """Return what this machine's shells cannot show of the image's."""
    from podready.cluster.kubelet.shell import shell_limit

    if not project.dockerfile.is_file():
        return ()
    limit = shell_limit(read_image(shown(project.dockerfile)).base)
    return (limit,) if limit else ()


def finish(
    result: RehearsalResult, overrides: Overrides, asked_outside: tuple[str, ...]
) -> RehearsalResult:
    """Return the result with the names that pods did not find, and without secrets."""
    if asked_outside:
        names = ", ".join(asked_outside)
        missed = f"Pods asked for names that do not exist here: {names}."
        result = replace(result, limits=(*result.limits, missed))
    return overrides.hide_in(result)


def without_secrets(error: AppError, overrides: Overrides) -> AppError:
    """Return the error without the secrets that the app's log may contain."""
    log = tuple(overrides.hide(line) for line in error.log)
    return AppError(overrides.hide(str(error)), log=log)
