"""Without root: namespaces come from the kernel's own unprivileged ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.e2e.conftest import BEFORE_OTHERS, ROOT, SHORT, Footprint

pytestmark = pytest.mark.slow

NOBODY = 65534
SCRIPT = "from podready.__main__ import main\nmain()\n"


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a folder that the ordinary user owns: pytest's own are for their maker only."""
    with TemporaryDirectory(prefix="podready-e2e-") as name:
        os.chown(name, NOBODY, NOBODY)
        yield Path(name)


@pytest.fixture
def program(home: Path) -> Path:
    """Return a `podready` that the ordinary user may read, on the system's own Python."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if os.geteuid() != 0 or not shutil.which("setpriv") or not python:
        pytest.skip("needs root, setpriv and a Python outside root's home to become another user")
    venv = home / "venv"
    made = subprocess.run(
        [python, "-m", "venv", "--without-pip", str(venv)],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"{python} has no venv: {made.stderr or made.stdout}")
    packages = venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not packages.is_dir():
        pytest.skip(f"{python} is not Python {sysconfig.get_python_version()}, as our packages are")
    ours = sysconfig.get_path("purelib")
    places = f"import site; site.addsitedir({ours!r}); site.addsitedir({str(ROOT / 'src')!r})\n"
    (packages / "site-packages" / "ours.pth").write_text(places)
    script = venv / "bin" / "podready"
    script.write_text(f"#!{venv}/bin/python\n{SCRIPT}")
    script.chmod(0o755)
    return script


def as_nobody(*argv: str) -> list[str]:
    """Return the command as an ordinary user without any capability runs it."""
    ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [*BEFORE_OTHERS, "setpriv", *ids, "--inh-caps=-all", "--bounding-set=-all", *argv]


def test_an_ordinary_user_rehearses(program: Path, home: Path, tiny: Path) -> None:
    """The same verdict, in pods with namespaces of their own, and nothing left behind."""
    project = home / "tiny"
    shutil.copytree(tiny, project)
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home / "tmp")}
    (home / "tmp").mkdir()
    os.chown(home / "tmp", NOBODY, NOBODY)
    readable = as_nobody(str(program), "--version")
    tried = subprocess.run(
        readable, check=False, env=environ, cwd=home, capture_output=True, text=True
    )
    if tried.returncode:
        pytest.skip(f"an ordinary user cannot read podready here: {tried.stderr.strip()[-200:]}")
    argv = as_nobody(str(program), "rehearse", str(project), *SHORT, "--out", str(home / "report"))
    with subprocess.Popen(
        argv,
        env=environ,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        footprint = Footprint(process.pid)
        try:
            out, err = process.communicate(timeout=90)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            footprint.stop()
    assert process.returncode == 0, out + err
    assert footprint.left() == []
    assert list((home / "tmp").iterdir()) == []
    report = json.loads((home / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["verdict"] == "ready"
    if "pods in plain" in out:
        pytest.skip("this kernel gives no namespaces to ordinary users; plain pods were used")
    assert report["settings"]["sandbox"] == "netns"
