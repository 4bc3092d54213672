"""Pods in namespaces, with real processes, signals and sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cluster.sandbox.conftest import NOBODY, Spec, is_alive, until

from podready.cluster.sandbox.interface import Mount
from podready.cluster.sandbox.netns import NetnsSandbox

SERVER = """
    import http.server, sys
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"NAME")
    http.server.HTTPServer(("HOST", 8000), Answer).serve_forever()
"""
HANDLER = """
    import signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    print("waiting")
    time.sleep(60)
"""


async def ask(sock: socket.socket, ip: str) -> bytes:
    """Return what the server at `ip`:8000 answers over `sock`."""
    loop = asyncio.get_running_loop()
    with sock:
        await loop.sock_connect(sock, (ip, 8000))
        await loop.sock_sendall(sock, b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while chunk := await loop.sock_recv(sock, 4096):
            answer += chunk
        return answer


async def test_pid_1_without_a_handler_ignores_sigterm(netns: NetnsSandbox, spec: Spec) -> None:
    """A Python program without a SIGTERM handler survives it as PID 1, as in a cluster."""
    container = spec(code="import os, time; print(os.getpid()); time.sleep(60)")
    pod = await netns.pod("default", "web", "web")
    process = await pod.start(container)
    await until(lambda: container.log.read_text() == "1\n", "the program says that it is PID 1")

    assert not process.handles(signal.SIGTERM)
    process.signal(signal.SIGTERM)
    # Signals are taken when a process next runs: the answered command proves that it had time.
    assert (await process.exec(("true",), container.env, 5)).code == 0
    assert is_alive(process.pid)
    process.kill()

    ended = await process.wait()
    assert (ended.code, ended.signal) == (137, signal.SIGKILL)
    assert await process.wait() == ended


async def test_a_handler_gets_sigterm(netns: NetnsSandbox, spec: Spec) -> None:
    """A program with a handler is seen to have one, and its own exit code comes back."""
    pod = await netns.pod("default", "web", "web")
    process = await pod.start(spec(code=HANDLER))
    await until(lambda: process.handles(signal.SIGTERM), "the handler is installed")

    process.signal(signal.SIGTERM)

    assert (await process.wait()).code == 7
    assert not process.handles(signal.SIGTERM)


async def test_killing_pid_1_kills_all_its_descendants(netns: NetnsSandbox, spec: Spec) -> None:
    """SIGKILL of PID 1 leaves no worker behind, not even one in a session of its own."""
    pod = await netns.pod("default", "web", "web")
    before = _namespace_pids(os.getpid())
    process = await pod.start(spec("/bin/sh", "-c", "setsid sleep 61 & sleep 61 & wait"))
    await until(lambda: len(_namespace_pids(process.pid)) == 3, "three processes run")
    inside = _namespace_pids(process.pid)

    process.kill()
    await process.wait()

    await until(lambda: not any(is_alive(pid) for pid in inside), "all three are gone")
    assert not inside & before


def _namespace_pids(member: int) -> set[int]:
    """Return the processes in the PID namespace of `member`."""
    try:
        wanted = str(Path(f"/proc/{member}/ns/pid").readlink())
    except OSError:
        return set()
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str((entry / "ns/pid").readlink()) == wanted:
                found.add(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
async def test_two_pods_bind_the_same_port(netns: NetnsSandbox, spec: Spec) -> None:
    """Each pod has a network of its own, and `dial` reaches the pod that was meant."""
    pods = [await netns.pod("default", name, name) for name in ("one", "two")]
    for pod, name in zip(pods, ("one", "two"), strict=True):
        code = SERVER.replace("HOST", "0.0.0.0").replace("NAME", name)
        await pod.start(spec(code=code))
        await until(lambda pod=pod: pod.listening(8000), "the server listens")  # type: ignore[misc]

    assert (await ask(pods[0].dial(), pods[0].ip)).endswith(b"one")
    assert (await ask(pods[1].dial(), pods[1].ip)).endswith(b"two")
    assert not pods[0].listening(8001)


@pytest.mark.slow
async def test_a_server_on_localhost_is_not_reachable(netns: NetnsSandbox, spec: Spec) -> None:
    """A server bound to 127.0.0.1 refuses the pod's IP, but other containers can reach it."""
    pod = await netns.pod("default", "web", "web")
    process = await pod.start(spec(code=SERVER.replace("HOST", "127.0.0.1")))
    reach = "import socket; socket.create_connection(('127.0.0.1', 8000)).close()"
    await until(lambda: _listens(process.pid), "the server listens on 127.0.0.1")

    assert not pod.listening(8000)
    with pytest.raises(ConnectionRefusedError):
        await ask(pod.dial(), pod.ip)
    neighbour = await pod.start(spec(code=reach))
    assert (await neighbour.wait()).code == 0


def _listens(pid: int) -> bool:
    return "0100007F:1F40" in Path(f"/proc/{pid}/net/tcp").read_text()


async def test_dial_outlasts_its_pool_and_its_pod(netns: NetnsSandbox) -> None:
    """More sockets than the pool holds are made on the spot; a closed pod refuses."""
    pod = await netns.pod("default", "web", "web")
    sockets = [pod.dial() for _ in range(100)]
    loop = asyncio.get_running_loop()

    for sock in (sockets[0], sockets[-1]):
        with pytest.raises(ConnectionRefusedError):
            await loop.sock_connect(sock, (pod.ip, 8000))
    for sock in sockets:
        sock.close()
    await pod.close()
    with pytest.raises(ConnectionRefusedError):
        pod.dial()
    assert not pod.listening(8000)


async def test_identity(netns: NetnsSandbox, spec: Spec) -> None:
    """The host name is the pod's, and /etc/hosts leads it to the pod's IP."""
    container = spec("/bin/sh", "-c", "hostname; cat /etc/hosts /etc/resolv.conf")
    pod = await netns.pod("default", "web-0", "web-0")
    await (await pod.start(container)).wait()

    said = container.log.read_text()
    assert said.startswith("web-0\n")
    assert f"{pod.ip}\tweb-0\n" in said
    assert "options ndots:5" in said


async def test_what_a_container_writes_stays_in_it(
    netns: NetnsSandbox, spec: Spec, tmp_path: Path
) -> None:
    """Neither the host's root nor a copied project changes; the app sees its own writes."""
    if not netns.private_root:
        pytest.skip("the kernel refuses a private root")
    project = tmp_path / "project"
    project.mkdir()
    (project / "app.txt").write_text("from the host\n")
    script = (
        "cat app.txt; echo mine > new.txt; touch /usr/podready-test /podready-test; cat new.txt"
    )
    container = spec("/bin/sh", "-c", f"cd /srv/app/deep && {script}")
    mount = Mount(project, "/srv/app/deep", copy=True)
    pod = await netns.pod("default", "web", "web")

    process = await pod.start(replace(container, mounts=(mount,), cwd="/does/not/exist/yet"))

    assert (await process.wait()).code == 0, container.log.read_text()
    assert container.log.read_text() == "from the host\nmine\n"
    assert [path.name for path in project.iterdir()] == ["app.txt"]
    for path in ("/usr/podready-test", "/podready-test", "/srv/app", "/does"):
        assert not Path(path).exists()  # noqa: ASYNC240 - one look, after the fact


async def test_volumes(netns: NetnsSandbox, spec: Spec, tmp_path: Path) -> None:
    """A shared volume is the host's own, a read-only one refuses writes, a file can be a mount."""
    if not netns.private_root:
        pytest.skip("the kernel refuses a private root")
    shared, fixed, last_words = tmp_path / "shared", tmp_path / "fixed", tmp_path / "words"
    shared.mkdir()
    fixed.mkdir()
    last_words.touch()
    mounts = (
        Mount(shared, "/data/shared"),
        Mount(fixed, "/data/fixed", read_only=True),
        Mount(last_words, "/dev/termination-log"),
    )
    script = "echo 1 > /data/shared/a; echo 2 > /data/fixed/b; echo bye > /dev/termination-log"
    pod = await netns.pod("default", "web", "web")
    await (await pod.start(spec("/bin/sh", "-c", script, mounts=mounts))).wait()

    assert (shared / "a").read_text() == "1\n"
    assert not list(fixed.iterdir())
    assert last_words.read_text() == "bye\n"


async def test_a_root_that_the_kernel_refuses(
    netns: NetnsSandbox, spec: Spec, tmp_path: Path
) -> None:
    """Without a private root a container still is PID 1 with a /proc of its own."""
    netns.private_root = False
    target = tmp_path / "there"
    target.mkdir()
    mounts = (Mount(tmp_path, str(target)), Mount(tmp_path, "/nowhere"))
    container = spec("/bin/sh", "-c", f"ls {target}; cat /proc/1/comm", mounts=mounts)
    pod = await netns.pod("default", "web", "web")

    assert (await (await pod.start(container)).wait()).code == 0
    assert container.log.read_text() == "there\nweb.log\nsh\n"


async def test_exec(netns: NetnsSandbox, spec: Spec) -> None:
    """A command runs beside PID 1, sees its processes and files, and tells how it ended."""
    container = spec("/bin/sh", "-c", "touch /tmp/mark; exec sleep 60")
    pod = await netns.pod("default", "web", "web")
    process = await pod.start(container)
    await until(lambda: _runs(process.pid, "sleep"), "sleep runs")

    look = await process.exec(("sh", "-c", "cat /proc/1/comm; ls /tmp/mark"), container.env, 5)
    failed = await process.exec(("sh", "-c", "echo no >&2; exit 3"), container.env, 5)
    late = await process.exec(("sh", "-c", "sleep 62 & sleep 62"), container.env, 0.2)

    assert look.output.split() == [b"sleep", b"/tmp/mark"]
    assert (failed.code, failed.output, failed.timed_out) == (3, b"no\n", False)
    assert late.timed_out
    with pytest.raises(FileNotFoundError):
        await process.exec(("podready-no-such-program",), container.env, 5)
    process.kill()
    await process.wait()
    with pytest.raises(ProcessLookupError):
        await process.exec(("true",), container.env, 5)


def _runs(pid: int, name: str) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().strip() == name


async def test_a_program_that_does_not_exist(netns: NetnsSandbox, spec: Spec) -> None:
    """The error of execve comes back to who started the container."""
    pod = await netns.pod("default", "web", "web")

    with pytest.raises(FileNotFoundError) as caught:
        await pod.start(spec("podready-no-such-program"))
    assert caught.value.filename == "podready-no-such-program"


async def test_nothing_is_left_after_close(spec: Spec) -> None:
    """Closing the sandbox ends zygote, helpers, shims and containers."""
    sandbox = await NetnsSandbox.start()
    pods = [await sandbox.pod("default", f"web-{n}", f"web-{n}") for n in range(3)]
    processes = [await pod.start(spec("sleep", "63")) for pod in pods]
    children = _descendants(os.getpid())
    assert len(children) >= 1 + 3 * 3

    await sandbox.close()

    await until(lambda: not any(is_alive(pid) for pid in children), "all processes are gone")
    assert [(await process.wait()).code for process in processes] == [137] * 3


def _descendants(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.parent.name)] = int(fields[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {root}


HOLD = """
    import asyncio, sys
    from pathlib import Path
    from podready.cluster.sandbox.interface import ContainerSpec
    from podready.cluster.sandbox.WAY import SANDBOX
    from podready.errors import ClusterError

    async def main():
        try:
            sandbox = await SANDBOX.start()
        except ClusterError as refusal:
            return print("unsupported:", refusal)
        pod = await sandbox.pod("default", "web", "web")
        argv = ("/bin/sh", "-c", "setsid sleep 64 & id -u; exec sleep 64")
        env = {"PATH": "/usr/bin:/bin"}
        process = await pod.start(ContainerSpec("web", argv, env, "/", Path(sys.argv[1])))
        with pod.dial() as sock:
            try:
                await asyncio.get_running_loop().sock_connect(sock, (pod.ip, 8000))
            except ConnectionRefusedError:
                print("refused", process.pid, flush=True)
        await process.wait()

    asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("way", "name"), [("netns", "NetnsSandbox"), ("plain", "PlainSandbox")])
async def test_nothing_survives_a_killed_cluster(tmp_path: Path, way: str, name: str) -> None:
    """kill -9 of the cluster's process takes every process of every pod along."""
    code = _dedent(HOLD.replace("WAY", way).replace("SANDBOX", name))
    argv = [sys.executable, "-c", code, str(tmp_path / "log")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as cluster:  # noqa: ASYNC220 - a test
        assert cluster.stdout is not None
        said = await asyncio.to_thread(cluster.stdout.readline)
        if said.startswith("unsupported:"):
            pytest.skip(said)
        family = _descendants(cluster.pid)
        assert int(said.split()[1]) in family

        cluster.kill()

    await until(lambda: not any(is_alive(pid) for pid in family), "the whole family is gone")


@pytest.mark.slow
async def test_an_ordinary_user(nobody: Callable[..., subprocess.Popen[str]]) -> None:
    """Pods work the same without root, where user namespaces do."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is root's alone
        os.chown(folder, NOBODY, NOBODY)
        log = Path(folder) / "log"
        cluster = nobody(HOLD.replace("WAY", "netns").replace("SANDBOX", "NetnsSandbox"), str(log))
        assert cluster.stdout is not None
        said = await asyncio.to_thread(cluster.stdout.readline)
        if said.startswith("unsupported:"):
            pytest.skip(said)
        assert said.startswith("refused ")
        await until(
            lambda: log.exists() and log.read_text() == "0\n", "the app runs as the one mapped user"
        )
        family = _descendants(cluster.pid)
        cluster.kill()
        await until(lambda: not any(is_alive(pid) for pid in family), "the family is gone")


def _dedent(code: str) -> str:
    return "\n".join(line[4:] for line in code.splitlines())
