"""`podready rehearse`: a real rollout of a real app under load, and a verdict."""

from __future__ import annotations

import asyncio
import os
import platform
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from podready import __version__
from podready.cli.console import complain, say
from podready.cli.rehearse_options import RehearseOptions
from podready.cli.rehearse_reach import (
    check_host_ports,
    finish,
    overrides_of,
    reach_settings,
    shell_limits,
    without_secrets,
)
from podready.cli.rehearse_stop import StoppedError, StopSignals
from podready.cli.rehearse_view import ProgressView, open_view
from podready.dockerfile import Image, read_image
from podready.errors import AppError, UsageError
from podready.kube.gvk import DEPLOYMENT, SERVICE, Resource
from podready.kube.manifest import Manifest
from podready.kube.meta import dig
from podready.project import Project
from podready.rehearse.api import KubernetesApi
from podready.rehearse.load.plan import DialerTarget, RequestKind, TcpTarget
from podready.rehearse.manifests import load_manifests, shown
from podready.rehearse.rehearsal import RehearsalPlan
from podready.rehearse.rehearsal import rehearse as play
from podready.rehearse.report.json import write_json
from podready.rehearse.result import RehearsalResult, Verdict
from podready.rehearse.result_json import to_json
from podready.rehearse.scenario import load_scenarios
from podready.rehearse.target import RehearsalTarget, choose_target
from podready.rehearse.verdict import exit_code, headline, ranked_causes, ranked_findings, reasons


def run_rehearsal(project: Project, options: RehearseOptions) -> int:
    """Rehearse, report and return the exit code."""
    with open_view(to_stderr=options.as_json) as view:
        try:
            result = asyncio.run(_until_over(project, options, view))
        except AppError as error:
            return _report_app_error(error)
    if isinstance(result, int):
        return result
    return _report(result, options)


async def _until_over(
    project: Project, options: RehearseOptions, view: ProgressView
) -> RehearsalResult | int:
    """Return the result, or the exit code when a signal came; all is shut down in order first."""
    stop = StopSignals()
    stop.listen()
    try:
        result = await _rehearse(project, options, view, stop)
    except StoppedError:
        return stop.code
    return stop.code or result


async def _rehearse(
    project: Project, options: RehearseOptions, view: ProgressView, stop: StopSignals
) -> RehearsalResult:
    scenarios = load_scenarios(options.scenarios)
    if options.kubeconfig is not None:
        return await stop.run_until_cancelled(_on_real_cluster(project, options, scenarios, view))
    manifests = load_manifests(project)
    target = choose_target(manifests.objects, project.service, manifests.namespace)
    check_host_ports(project.rehearse.host_ports)
    async with _local_cluster(project, options, view) as cluster:
        overrides = overrides_of(project, cluster.host_name)
        plan = RehearsalPlan(
            manifests=overrides.merge_into(manifests.objects, target),
            load_target=DialerTarget(
                str(cluster.dialer_path), target.service_key, target.port, options.nodes
            ),
            journal=Path(cluster.journal_path),
            settings={**_settings(options, cluster.sandbox_name), **reach_settings(project)},
            facts={**_facts(), **cluster.facts},
            limits=(*cluster.limits, *shell_limits(project), *manifests.left_out),
            **_common(project, options, target),
            scenarios=scenarios,
        )
        try:
            result = await stop.run_until_cancelled(_play(plan, Path(cluster.kubeconfig), view))
        except AppError as error:
            raise without_secrets(error, overrides) from None
        return finish(result, overrides, cluster.asked_outside)


async def _on_real_cluster(
    project: Project, options: RehearseOptions, scenarios: Any, view: ProgressView
) -> RehearsalResult:
    assert options.kubeconfig is not None
    api = KubernetesApi(options.kubeconfig.expanduser(), project.namespace)
    try:
        services = [_found(SERVICE, obj) for obj in await api.items(SERVICE)]
        deployments = [_found(DEPLOYMENT, obj) for obj in await api.items(DEPLOYMENT)]
    finally:
        await api.close()
    target = choose_target(
        [*services, *deployments], project.service or project.name, project.namespace
    )
    plan = RehearsalPlan(
        manifests=(),
        load_target=_tcp_target(options.target),
        settings=_settings(options, "a real cluster"),
        facts=_facts(),
        limits=("No journal on this cluster: moments are those of the API's watch.",),
        **_common(project, options, target),
        scenarios=scenarios,
    )
    return await _play(plan, options.kubeconfig.expanduser(), view)


def _found(resource: Resource, obj: dict[str, Any]) -> Manifest:
    """Return an object of a cluster as a manifest; items of a list carry no kind of their own."""
    named = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    return Manifest(named, f"{resource.kind} of the cluster", 0)


async def _play(plan: RehearsalPlan, kubeconfig: Path, view: ProgressView) -> RehearsalResult:
    api = KubernetesApi(kubeconfig, plan.target.namespace)
    try:
        return await play(plan, api, view)
    finally:
        await api.close()


@asynccontextmanager
async def _local_cluster(
    project: Project, options: RehearseOptions, view: ProgressView
) -> AsyncIterator[Any]:
    """Start a cluster in a folder of its own; both are gone afterwards."""
    from podready.cluster.local import LocalCluster, LocalClusterConfig
    from podready.cluster.run_directory import run_directory

    with run_directory() as folder:
        config = LocalClusterConfig(
            project_root=project.root,
            dockerfile=project.dockerfile,
            sandbox=options.sandbox,
            endpoint_lag=options.endpoint_lag,
            nodes=options.nodes,
            seed=options.seed,
            run_dir=folder,
            host_ports=project.rehearse.host_ports,
        )
        async with LocalCluster(config) as cluster:
            view.log(f"local cluster with {options.nodes} nodes, pods in {cluster.sandbox_name}")
            yield cluster
            view.log("shutting down")


def _common(project: Project, options: RehearseOptions, target: RehearsalTarget) -> dict[str, Any]:
    """Return the parameters of a rehearsal on any cluster."""
    command, line, where = _command(project, target)
    return {
        "project": project.name,
        "target": target,
        "requests": tuple(
            RequestKind(r.name, r.method, r.path, r.weight, r.body, r.expect, r.timeout)
            for r in project.rehearse.requests
        ),
        "rate": options.rps,
        "rounds": options.rounds,
        "endpoint_lag": options.endpoint_lag,
        "seed": options.seed,
        "streams": project.rehearse.streams,
        "start_timeout": options.start_timeout,
        "app": project.app,
        "command": command,
        "command_line": line,
        "command_at": where,
    }


def _command(project: Project, target: RehearsalTarget) -> tuple[str, str, str]:
    """Return what PID 1 is, the line that says so, and `file:line` of it."""
    container = dig(target.manifest.object, "spec", "template", "spec", "containers", 0, default={})
    if container.get("command"):
        argv = [*container["command"], *(container.get("args") or ())]
        line = target.manifest.line_of("spec.template.spec.containers[0].command")
        return " ".join(argv), "", f"{target.manifest.file}:{line}"
    if not project.dockerfile.is_file():
        return "", "", ""
    image = read_image(shown(project.dockerfile))
    return " ".join(image.argv), _line_of(project.dockerfile, image), f"{image.file}:{image.line}"


def _line_of(dockerfile: Path, image: Image) -> str:
    lines = dockerfile.read_text(encoding="utf-8").splitlines()
    return lines[image.line - 1].strip() if 0 < image.line <= len(lines) else ""


def _settings(options: RehearseOptions, sandbox: str) -> dict[str, str | int | float]:
    return {
        "requests/s": f"{options.rps:g}",
        "endpoint lag": f"{options.endpoint_lag:g} s",
        "rounds": options.rounds,
        "nodes": options.nodes,
        "sandbox": sandbox,
        "seed": options.seed,
        "replay": shlex.join(["podready", "rehearse", *_replayed(sys.argv[2:])]),
    }


def _replayed(arguments: list[str]) -> list[str]:
    return arguments if Path(sys.argv[0]).name.startswith("podready") else []


def _facts() -> dict[str, str | int | float]:
    cores = len(os.sched_getaffinity(0))
    return {
        "podready": __version__,
        "Python": platform.python_version(),
        "kernel": platform.release(),
        "cores": cores,
    }


def _tcp_target(text: str) -> TcpTarget:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--target {text}: write it as HOST:PORT")
    return TcpTarget(host, int(port))


def _report(result: RehearsalResult, options: RehearseOptions) -> int:
    """Write both files and print what people came for; return the exit code."""
    from podready.rehearse.report.html import write_html  # 35 ms that the start need not wait for

    options.out.mkdir(parents=True, exist_ok=True)
    write_json(result, options.out)
    path = write_html(result, options.out)
    if options.as_json:
        say(to_json(result))
        return exit_code(result.verdict)
    last = f"{headline(result)} · report: {path}"
    lines = [*reasons(result), *_why(result)]
    for line in [*lines, last] if result.verdict is Verdict.READY else [last, *lines]:
        say(line)
    return exit_code(result.verdict)


def _why(result: RehearsalResult) -> list[str]:
    """Return the sentences about causes, costliest first, and about what else is wrong."""
    lines = []
    for cause in ranked_causes(result):
        lines.append(f"{cause.count} lost: {cause.title}. {cause.evidence}")
        lines.append(f"  Fix: {cause.fix}")
    for finding in ranked_findings(result):
        lines.append(f"Found: {finding.title}. {finding.evidence}")
        lines.append(f"  Fix: {finding.fix}")
    return lines


def _report_app_error(error: AppError) -> int:
    complain(f"podready: {error}")
    for line in error.log:
        complain(f"  | {line}")
    return error.exit_code
