"""The code of the how-tos runs, and their reports are those that podready prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "configure-an-app.md"


def test_the_report_in_the_how_to_is_what_its_code_prints(tmp_path: Path) -> None:
    """First code block, started with the mistakes that the page talks about."""
    text = PAGE.read_text()
    code = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[0]
    report = re.findall(r"```\n(settings: .*?)```", text, flags=re.DOTALL)[0]
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PORT": "80a", "SHOP_DEBGU": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (78, report)


MOVE = PAGE.parent / "move-from-pydantic-settings.md"
GOOD = {"SHOP_PORT": "1", "SHOP_DATABASE__URL": "db", "SHOP_HOSTS": '["a", "b"]'}
BAD = {"SHOP_PORT": "80a", "SHOP_HOSTS": "a,b", "SHOP_MDOE": "fast"}


def run(code: str, folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run code as `main.py`, as the page says."""
    (folder / "main.py").write_text(code)
    return subprocess.run(
        [sys.executable, "main.py"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_both_ways_from_pydantic_settings_read_the_same_environment(tmp_path: Path) -> None:
    """The class as it is, by the adapter, and the class written with podready."""
    before, keep, after = re.findall(r"```python\n(.*?)```", MOVE.read_text(), flags=re.DOTALL)
    show = "\nprint(settings.port, settings.database.pool, settings.hosts, settings.mode)"
    kept = run(before + keep + show, tmp_path, GOOD)
    moved = run(after + show, tmp_path, GOOD)
    assert kept.stdout == moved.stdout == "1 5 ['a', 'b'] safe\n", kept.stderr + moved.stderr


def test_the_report_for_a_pydantic_settings_class_is_the_one_on_the_page(tmp_path: Path) -> None:
    """With the mistakes that the page talks about."""
    text = MOVE.read_text()
    before, keep, after = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    report = re.findall(r"```\n(settings: .*?)```", text, flags=re.DOTALL)[0]
    ended = run(before + keep, tmp_path, BAD)
    assert (ended.returncode, ended.stderr) == (78, report)
    ended = run(after, tmp_path, {**BAD, "SHOP_PORT": "0", "SHOP_DATABASE__URL": "db"})
    assert ended.returncode == 78
    assert "did you mean SHOP_MODE?" in ended.stderr
    ended = run(after, tmp_path, {**GOOD, "SHOP_PORT": "0"})
    assert "SHOP_*  invalid  SHOP_PORT has to be 1 or more" in ended.stderr
