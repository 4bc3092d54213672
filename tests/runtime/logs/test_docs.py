"""The pages about logs: their code runs, their lines are those that come out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from podready.runtime.logs.options import FORMATS
from podready.runtime.run_config import OPTIONS

DOCS = Path(__file__).parents[3] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page."""
    text = (DOCS / "how-to" / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def output(code: str, directory: Path) -> str:
    """Run a program called main.py and return its stdout and stderr."""
    (directory / "main.py").write_text(code)
    ended = subprocess.run(
        [sys.executable, "main.py"],
        cwd=directory,
        env={},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=True,
    )
    return ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "package"),
    [
        ("move-from-structlog.md", "structlog"),
        ("move-from-python-json-logger.md", "pythonjsonlogger"),
        ("move-from-loguru.md", "loguru"),
    ],
)
def test_moving(page: str, package: str, tmp_path: Path) -> None:
    """Before runs, and after prints exactly the lines that the page shows."""
    pytest.importorskip(package)
    before, after = blocks(page, "python")
    assert "paid" in output(before, tmp_path)
    printed = output(after, tmp_path)
    shown = re.sub(r'"time":"[^"]+"', '"time":"..."', printed)
    path = json.dumps(str(tmp_path / "main.py"))[1:-1]
    assert shown.replace(path, "main.py") == blocks(page, "json")[0]


def test_the_reference_has_every_setting_and_format() -> None:
    """No variable is missing, none is there that nobody reads."""
    page = (DOCS / "reference" / "logs.md").read_text()
    written = set(re.findall(r"^\| `(PODREADY_LOG_\w+)`", page, flags=re.MULTILINE))
    assert written == {each.variable for each in OPTIONS if each.name.startswith("log_")}
    assert all(f"`{name}`" in page for name in FORMATS)
