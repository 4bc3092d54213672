"""Pods on a node, from creation to removal, with real processes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.cluster.kubelet.conftest import Node, container_status, is_condition, python, server

from podready.kube.gvk import CONFIG_MAP, NODE, SECRET, SERVICE

READINESS = {"httpGet": {"path": "/readyz", "port": 8000}, "periodSeconds": 1}


@pytest.mark.slow
async def test_a_pod_becomes_ready_and_ends_well(node: Node) -> None:
    """Started, probed, deleted: the app gets SIGTERM, exits 0, and the pod ends Succeeded."""
    await node.pod({"command": server(), "readinessProbe": READINESS})
    ready = await node.until_ready()

    assert ready["status"]["phase"] == "Running"
    assert ready["status"]["podIP"].startswith("10.244.")
    assert container_status(ready)["started"]
    assert "GET /readyz kube-probe/" in await node.log()
    sock = node.kubelet.dial("default", "web")
    with sock:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, (ready["status"]["podIP"], 8000))

    await node.delete()
    states = await node.until_gone()

    assert states[-1]["status"]["phase"] == "Succeeded"
    assert container_status(states[-1])["state"]["terminated"]["exitCode"] == 0
    assert not is_condition(states[-1], "Ready")
    assert node.facts("signal") == [{"container": "web", "signal": "SIGTERM", "handled": True}]
    assert [fact["value"] for fact in node.facts("ready")] == [True, False]
    assert node.facts("listening") == [
        {"port": 8000, "open": True},
        {"port": 8000, "open": False},
    ]
    order = [kind for kind, _ in node.times("started", "deleted", "signal", "exited")]
    assert order == ["started", "deleted", "signal", "exited"]
    with pytest.raises(ConnectionRefusedError, match="is gone"):
        node.kubelet.dial("default", "web")
    reasons = [reason for reason, _ in await node.events()]
    assert reasons[:3] == ["Pulled", "Created", "Started"]
    assert reasons[-1] == "Killing"


@pytest.mark.slow
async def test_pid_1_without_a_handler_is_killed_at_the_end_of_grace(node: Node) -> None:
    """Python without a SIGTERM handler is PID 1: it ignores the signal and dies by SIGKILL."""
    await node.pod({"command": python("import time; time.sleep(60)")})
    await node.until_ready()

    await node.delete(grace=1)
    states = await node.until_gone()

    ended = container_status(states[-1])["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "Error")
    assert states[-1]["status"]["phase"] == "Failed"
    assert [(f["signal"], f["handled"]) for f in node.facts("signal")] == [
        ("SIGTERM", False),
        ("SIGKILL", False),
    ]
    (_, term), (_, kill) = node.times("signal")
    assert kill - term >= 2.0, "every container gets two seconds at least"


@pytest.mark.slow
async def test_a_shell_form_command_swallows_sigterm(node: Node) -> None:
    """`CMD app; more` makes the shell PID 1, and the app behind it never hears of SIGTERM."""
    (node.project / "app.py").write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "print('up', flush=True)\ntime.sleep(60)\n"
    )
    node.dockerfile("WORKDIR /srv/shell-app", "COPY . .", "CMD python app.py; true")
    await node.pod({})
    await node.until_ready()

    await node.delete(grace=2)
    states = await node.until_gone()

    assert container_status(states[-1])["state"]["terminated"]["exitCode"] == 137
    assert [fact["handled"] for fact in node.facts("signal")] == [False, False]


@pytest.mark.slow
async def test_a_server_on_localhost_fails_its_probe(node: Node) -> None:
    """Probes go to the pod's IP, so a server bound to 127.0.0.1 never becomes ready."""
    await node.pod({"command": server("127.0.0.1"), "readinessProbe": READINESS})

    message = await node.until_event("Unhealthy")
    assert message.startswith("Readiness probe failed: Get ")
    assert message.endswith("connect: connection refused")
    await node.until(lambda _: len(node.facts("unready")) >= 2, "two runs of the probe have failed")
    assert not is_condition(await node.get(), "Ready")
    assert node.facts("listening") == []


@pytest.mark.slow
async def test_two_pods_listen_on_the_same_port(node: Node) -> None:
    """Port 8000 of one pod is not port 8000 of another."""
    for name in ("one", "two"):
        container = {"command": server(), "readinessProbe": READINESS}
        await node.pod(container, name=name)
    one, two = await node.until_ready("one"), await node.until_ready("two")

    assert one["status"]["podIP"] != two["status"]["podIP"]


@pytest.mark.slow
async def test_readiness_follows_the_app(node: Node) -> None:
    """After failureThreshold failures the pod is unready; the container is left alone."""
    probe = READINESS | {"failureThreshold": 2}
    await node.pod({"command": server(), "readinessProbe": probe})
    await node.until_ready()
    sandbox = node.kubelet.sandbox_of("default", "web")
    assert sandbox is not None

    await _touch(node, "/tmp/unready")
    pod = await node.until(lambda pod: not is_condition(pod, "Ready"), "unready")
    assert container_status(pod)["restartCount"] == 0
    assert any("statuscode: 503" in text for _, text in await node.events())

    await _touch(node, "/tmp/unready", "rm")
    await node.until_ready()


async def _touch(node: Node, path: str, program: str = "touch") -> None:
    """Run touch or rm inside the container, as `kubectl exec` would."""
    [worker] = node.kubelet._pods.values()
    running = worker._containers[0]._running
    assert running is not None
    assert (await running.command((program, path), 5)).code == 0


@pytest.mark.slow
async def test_liveness_restarts_the_container(node: Node) -> None:
    """A liveness probe that fails for good ends the container, and it starts again at once."""
    script = "test ! -e /tmp/dead || exit 9"
    probe = {"exec": {"command": ["sh", "-c", script]}, "periodSeconds": 1, "failureThreshold": 1}
    container = {"command": server(), "livenessProbe": probe, "readinessProbe": READINESS}
    await node.pod(container)
    await node.until_ready()
    await _touch(node, "/tmp/dead")

    pod = await node.until(lambda pod: container_status(pod).get("restartCount"), "a restart")

    assert container_status(pod)["lastState"]["terminated"]["exitCode"] == 0
    assert "will be restarted" in await node.until_event("Killing")
    assert ("Unhealthy", "Liveness probe failed: exit code 9") in await node.events()
    assert "GET /readyz" in await node.log(previous=True)


@pytest.mark.slow
async def test_startup_probe_holds_the_others_back(node: Node) -> None:
    """Until the startup probe succeeded the container is not started, and readiness waits."""
    startup = {"exec": {"command": ["cat", "/tmp/go"]}, "periodSeconds": 1, "failureThreshold": 60}
    container = {"command": server(), "startupProbe": startup, "readinessProbe": READINESS}
    await node.pod(container)
    await node.until(lambda _: len(node.facts("unready")) >= 1, "the startup probe ran")
    assert {fact["probe"] for fact in node.facts("unready")} == {"startup"}
    assert not container_status(await node.get())["started"]
    assert "GET" not in await node.log()

    await _touch(node, "/tmp/go")
    await node.until_ready()


async def test_a_crash_loop_backs_off(node: Node) -> None:
    """The first restart is immediate, then 10 s, 20 s, … to 300 s; exit 0 counts too."""
    await node.pod({"command": ["/bin/sh", "-c", "echo run; exit 3"]})

    pod = await node.until(
        lambda pod: container_status(pod).get("restartCount", 0) >= 8, "eight restarts"
    )

    assert node.sleep.delays[:7] == [10, 20, 40, 80, 160, 300, 300]
    assert pod["status"]["phase"] == "Running"
    assert "Back-off restarting failed container web" in await node.until_event("BackOff")
    assert node.facts("exited")[0]["code"] == 3


@pytest.mark.parametrize(
    ("policy", "code", "phase"), [("Never", 1, "Failed"), ("OnFailure", 0, "Succeeded")]
)
async def test_restart_policies(node: Node, policy: str, code: int, phase: str) -> None:
    """Never and OnFailure let a pod come to its own end, where its log stays readable."""
    command = ["/bin/sh", "-c", f"echo over; exit {code}"]
    await node.pod({"command": command}, restartPolicy=policy)

    await node.until(lambda pod: pod.get("status", {}).get("phase") == phase, phase)

    assert await node.log() == "over\n"
    await node.delete()
    await node.until_gone()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hook", "failure"),
    [
        ({"sleep": {"seconds": 1}}, ""),
        ({"exec": {"command": ["sh", "-c", "echo pre > /proc/1/fd/1"]}}, ""),
        ({"httpGet": {"path": "/bye", "port": "http"}}, ""),
        ({"exec": {"command": ["podready-no-such-program"]}}, "No such file or directory"),
        ({"httpGet": {"path": "/bye", "port": 8001}}, "connection refused"),
    ],
)
async def test_pre_stop(node: Node, hook: dict[str, Any], failure: str) -> None:
    """preStop runs before SIGTERM; when it fails, SIGTERM comes all the same."""
    container = {
        "command": server(),
        "readinessProbe": READINESS,
        "ports": [{"name": "http", "containerPort": 8000}],
        "lifecycle": {"preStop": hook},
    }
    await node.pod(container)
    await node.until_ready()

    await node.delete()
    states = await node.until_gone()

    facts = node.facts("prestop")
    assert [fact["state"] for fact in facts] == ["begin", "failed" if failure else "end"]
    assert [fact["signal"] for fact in node.facts("signal")] == ["SIGTERM"]
    assert states[-1]["status"]["phase"] == "Succeeded"
    if failure:
        assert failure in await node.until_event("FailedPreStopHook")
    if "sleep" in hook:
        assert facts[1]["seconds"] >= 1.0


@pytest.mark.slow
async def test_a_late_pre_stop_is_abandoned(node: Node) -> None:
    """A hook that outlasts the grace period is given up; two seconds for SIGTERM remain."""
    container = {"command": server(), "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}
    container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", "60"]}}}
    await node.pod(container)
    await node.until_ready()

    await node.delete(grace=1)
    await node.until_gone()

    assert [fact["state"] for fact in node.facts("prestop")] == ["begin", "failed"]
    assert [fact["signal"] for fact in node.facts("signal")] == ["SIGTERM"]


@pytest.mark.slow
async def test_readiness_goes_on_while_the_pod_ends(node: Node) -> None:
    """During preStop the readiness probe still runs, so `serving` can turn false."""
    hook = {"exec": {"command": ["sh", "-c", "touch /tmp/unready; sleep 2.5"]}}
    probe = READINESS | {"failureThreshold": 1}
    container = {"command": server(), "readinessProbe": probe, "lifecycle": {"preStop": hook}}
    await node.pod(container)
    await node.until_ready()

    await node.delete()
    await node.until(lambda pod: not is_condition(pod, "Ready"), "unready while ending")
    assert node.facts("signal") == []
    await node.until_gone()


@pytest.mark.slow
async def test_a_forced_deletion(node: Node) -> None:
    """The object goes at once, and the process soon after."""
    await node.pod({"command": ["sleep", "67"]})
    await node.until_ready()

    await node.delete(grace=0)
    await node.until_gone()

    await node.until_fact("exited")
    assert node.facts("exited")[0]["signal"] == 9


async def test_missing_configuration_is_waited_for(node: Node) -> None:
    """Without its Secret a container waits and says which; it starts when the Secret comes."""
    ref = {"name": "hello", "key": "key"}
    container = {
        "command": ["/bin/sh", "-c", 'echo "$SECRET_KEY $HOME_PAGE"; sleep 60'],
        "env": [
            {"name": "SECRET_KEY", "valueFrom": {"secretKeyRef": ref}},
            {"name": "HOME_PAGE", "value": "$(POD)-$(MISSING)"},
        ],
    }
    await node.pod(container)

    pod = await node.until(
        lambda pod: "CreateContainerConfigError" in str(container_status(pod)), "config error"
    )
    assert container_status(pod)["state"]["waiting"]["message"] == 'secret "hello" not found'
    secret = {"metadata": {"name": "hello"}, "data": {"key": "czNjcjN0"}}
    await node.create(SECRET, secret)
    await node.until_ready()

    said = await node.until_log(lambda log: log.endswith("\n"))
    assert said == "s3cr3t $(POD)-$(MISSING)\n"


async def test_an_image_without_a_dockerfile(node: Node) -> None:
    """No Dockerfile, nothing to run: the event says where one is expected."""
    (node.project / "Dockerfile").unlink()
    await node.pod({})

    message = await node.until_event("Failed")
    assert str(node.project / "Dockerfile") in message
    await node.until(
        lambda pod: "ImagePullBackOff" in str(container_status(pod)), "ImagePullBackOff"
    )


async def test_a_program_that_is_not_there(node: Node) -> None:
    """A command that cannot be executed is told by name, with Kubernetes' code 128."""
    await node.pod({"command": ["podready-no-such-program"]})

    assert '"podready-no-such-program": executable file not found' in await node.until_event(
        "Failed"
    )
    assert node.facts("exited")[0]["code"] == 128


@pytest.mark.slow
async def test_init_containers_and_sidecars(node: Node) -> None:
    """Init containers run in order, a sidecar starts before and ends after the app."""
    script = "echo $0 >> /shared/order; exit 0"
    mounts = [{"name": "work", "mountPath": "/shared"}]
    sidecar = python("""
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        open("/shared/order", "a").write("sidecar\\n")
        time.sleep(60)
    """)
    probe = {"exec": {"command": ["grep", "sidecar", "/shared/order"]}, "periodSeconds": 1}
    init: list[dict[str, Any]] = [
        {"name": "one", "image": "x", "command": ["/bin/sh", "-c", script, "one"]},
        {"name": "proxy", "image": "x", "command": sidecar, "restartPolicy": "Always"},
        {"name": "two", "image": "x", "command": ["/bin/sh", "-c", script, "two"]},
    ]
    init[1]["startupProbe"] = probe
    for container in init:
        container["volumeMounts"] = mounts
    main = {
        "command": ["/bin/sh", "-c", "trap 'exit 4' TERM; cat /shared/order; sleep 60 & wait"],
        "volumeMounts": mounts,
    }
    await node.pod(main, initContainers=init, volumes=[{"name": "work", "emptyDir": {}}])
    pod = await node.until_ready()

    assert is_condition(pod, "Initialized")
    assert await node.until_log(lambda said: said.count("\n") == 3) == "one\nsidecar\ntwo\n"
    await node.delete()
    states = await node.until_gone()

    ended = [fact["container"] for fact in node.facts("exited")]
    assert ended == ["one", "two", "web", "proxy"]
    assert states[-1]["status"]["phase"] == "Failed", "the app exited 4"


async def test_volumes_and_downward_api(node: Node) -> None:
    """ConfigMap and Secret files, the downward API, a read-only mount and Service variables."""
    await node.create(CONFIG_MAP, {"metadata": {"name": "conf"}, "data": {"a.toml": "a = 1\n"}})
    service = {"metadata": {"name": "redis"}, "spec": {"ports": [{"port": 6379}]}}
    created = await node.create(SERVICE, service)
    script = "cat /etc/conf/a.toml; ls -A /etc/conf; cat /etc/pod/name; echo; echo $REDIS_PORT $IP"
    field = {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}
    container = {
        "command": ["/bin/sh", "-c", f"{script}; touch /etc/conf/x; sleep 60"],
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "volumeMounts": [
            {"name": "conf", "mountPath": "/etc/conf", "readOnly": True},
            {"name": "pod", "mountPath": "/etc/pod"},
        ],
    }
    volumes = [
        {"name": "conf", "configMap": {"name": "conf"}},
        {"name": "pod", "downwardAPI": {"items": [field]}},
    ]
    await node.pod(container, volumes=volumes)
    pod = await node.until_ready()
    said = await node.until_log(lambda said: "Read-only" in said)

    cluster_ip = created["spec"]["clusterIP"]
    assert said.splitlines()[:5] == [
        "a = 1",
        "..data",
        "..podready_1",
        "a.toml",
        "web",
    ]
    assert f"tcp://{cluster_ip}:6379 {pod['status']['podIP']}" in said


async def test_a_read_only_root(node: Node) -> None:
    """readOnlyRootFilesystem: only volumes, /dev/shm and the termination log can be written."""
    node.dockerfile("WORKDIR /app", "COPY . .", "CMD sleep 60")
    places = "/x /app/x /usr/x /etc/x /tmp/x /data/x /dev/shm/x /dev/termination-log"
    script = f"for p in {places}; do (: > $p) 2>/dev/null && echo $p yes || echo $p no; done"
    await node.pod(
        {
            "command": ["/bin/sh", "-c", f"{script}; echo done; sleep 60"],
            "securityContext": {"readOnlyRootFilesystem": True},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        },
        volumes=[{"name": "data", "emptyDir": {}}],
    )
    await node.until_ready()
    said = await node.until_log(lambda log: "done" in log)
    assert said.splitlines()[:-1] == [
        *(f"{place} no" for place in ("/x", "/app/x", "/usr/x", "/etc/x", "/tmp/x")),
        *(f"{place} yes" for place in ("/data/x", "/dev/shm/x", "/dev/termination-log")),
    ]


async def test_last_words(node: Node) -> None:
    """The termination message comes from its file, or from the log where the policy says so."""
    script = "echo from the log; exit 1"
    await node.pod(
        {"command": ["/bin/sh", "-c", "echo from the file > /dev/termination-log; exit 1"]},
        {"command": ["/bin/sh", "-c", script], "terminationMessagePolicy": "FallbackToLogsOnError"},
        restartPolicy="Never",
    )
    pod = await node.until(lambda pod: pod.get("status", {}).get("phase") == "Failed", "Failed")

    words = [container_status(pod, name)["state"]["terminated"] for name in ("web", "web-1")]
    assert [each["message"] for each in words] == ["from the file\n", "from the log\n"]


@pytest.mark.slow
async def test_post_start_failure_restarts(node: Node) -> None:
    """A failed postStart hook ends the container, which then starts again by its policy."""
    hook = {"exec": {"command": ["sh", "-c", "exit 1"]}}
    container = {"command": server(), "lifecycle": {"postStart": hook}}
    await node.pod(container, terminationGracePeriodSeconds=1)

    await node.until_event("FailedPostStartHook")
    await node.until(lambda pod: container_status(pod).get("restartCount"), "a restart")


async def test_stop_signal_of_the_image(node: Node) -> None:
    """STOPSIGNAL replaces SIGTERM."""
    node.dockerfile("STOPSIGNAL SIGUSR1")
    code = """
        import signal, sys, time
        signal.signal(signal.SIGUSR1, lambda *_: sys.exit(5))
        open("/tmp/up", "w")
        time.sleep(60)
    """
    probe = {"exec": {"command": ["cat", "/tmp/up"]}, "periodSeconds": 1}
    await node.pod({"command": python(code), "readinessProbe": probe})
    await node.until_ready()

    await node.delete()
    await node.until_gone()

    assert [fact["signal"] for fact in node.facts("signal")] == ["SIGUSR1"]
    assert node.facts("exited")[0]["code"] == 5


async def test_the_node_registers(node: Node) -> None:
    """The node is there, ready, with this machine's capacity."""
    found = await node.client.get(NODE, None, "podready")

    assert is_condition(found, "Ready")
    assert int(found["status"]["capacity"]["cpu"]) >= 1


async def test_deletion_while_nothing_runs_yet(node: Node) -> None:
    """A pod that waits for a ConfigMap can be deleted like any other."""
    container = {"envFrom": [{"configMapRef": {"name": "never"}}]}
    await node.pod(container)
    await node.until(lambda pod: "ConfigError" in str(container_status(pod)), "config error")

    await node.delete()
    states = await node.until_gone()

    terminated = container_status(states[-1])["state"]["terminated"]
    assert terminated["reason"] == "ContainerStatusUnknown"
