"""The pages about testing: their code runs as it stands, and they name everything there is."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from podready import testing

DOCS = Path(__file__).parents[2] / "docs"
HOW_TO = DOCS / "how-to" / "test-an-apps-shutdown.md"
REFERENCE = DOCS / "reference" / "testing.md"

MAIN = """\
import podready
from fastapi import Depends, FastAPI

app = FastAPI()


async def get_database():
    raise ConnectionError("there is no database here")


@app.get("/")
async def home():
    return "home"


@app.get("/items")
async def items():
    return []


@app.get("/slow")
async def slow():
    await podready.wait_for_shutdown()  # as slow as the test needs it
    return "done"


@app.post("/orders", status_code=201)
async def order(database=Depends(get_database)):
    await database.insert()
    return "ordered"
"""

SERVER = """\
import podready
from main import app

app = podready.wrap(app)
"""

SETTINGS = """\
import podready


class AppSettings(podready.Settings):
    port: int = podready.var(default=8000)
    secret_key: podready.Secret[str] = podready.var()
"""

FAKE = """\
import podready


class SlowDatabase:
    def __init__(self, seconds):
        self.seconds = seconds

    async def insert(self):
        await podready.wait_for_shutdown()
"""


def python_blocks(page: Path) -> list[str]:
    """Return the Python code of a page."""
    return re.findall(
        r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.mark.slow
def test_the_code_of_the_pages_runs(tmp_path: Path) -> None:
    """A user's project whose tests are the pages' own."""
    (tmp_path / "main.py").write_text(MAIN)
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "settings.py").write_text(SETTINGS)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\npythonpath = .\nasyncio_default_fixture_loop_scope = function\n"
    )
    how_to = "\n".join(python_blocks(HOW_TO))
    (tmp_path / "test_app.py").write_text(f"{FAKE}\n\n{how_to}")
    reference = "\n".join(python_blocks(REFERENCE)).replace("\n", "\n    ")
    (tmp_path / "test_plain.py").write_text(f"def test_plain():\n    {reference}")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{how_to.count('def test_') + 1} passed" in done.stdout


@pytest.mark.parametrize("name", ["run_app", "serve_app", "settings_env"])
def test_the_reference_has_each_parameter_and_default(name: str) -> None:
    """The first column of the table is the signature."""
    signature = inspect.signature(getattr(testing, name))
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    text = str(inspect.Signature(bare)).replace("'", '"')
    assert f"| `{name}{text}` |" in REFERENCE.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["RunningApp", "ServedApp", "PendingRequest", "Response"])
def test_the_reference_has_each_method(kind: str) -> None:
    """Public methods, properties and fields; those of the with block apart."""
    page = REFERENCE.read_text(encoding="utf-8")
    words = {word for code in re.findall(r"`([^`\n]+)`", page) for word in re.findall(r"\w+", code)}
    members = {name for name in dir(getattr(testing, kind)) if not name.startswith("_")}
    assert members - words - {"join", "record"} == set()
