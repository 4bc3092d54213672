"""The documentation is held against the code: what drifts is red."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from podready.rehearse.diagnosis.causes import ROWS
from podready.rehearse.scenario import NAMES
from podready.runtime.run_config import OPTIONS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md")) + sorted((ROOT / "examples").glob("*/README.md"))
RULE = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Return the anchors that a Markdown page offers, as GitHub makes them."""
    found = set()
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            title = line.lstrip("#").strip().lower().replace("`", "")
            found.add(re.sub(r"[^\w\- ]", "", title).replace(" ", "-"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """Relative links point at files that exist, and at headings that exist in them."""
    broken = []
    for link in RULE.findall(page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        missing = not target.exists() or (anchor and anchor not in anchors(target))
        broken += [link] if missing else []
    assert broken == []


def test_every_cause_is_explained_under_its_code() -> None:
    """The report links to how-a-pod-dies.md#<code>."""
    page = ROOT / "docs" / "explanation" / "how-a-pod-dies.md"
    section = page.read_text(encoding="utf-8").split("## The causes a rehearsal names")[1]
    assert re.findall(r"^### (\S+)$", section, flags=re.MULTILINE) == [row.code for row in ROWS]
    for row in ROWS:
        assert f"*{row.title}.*" in section


def test_every_scenario_is_in_the_reference() -> None:
    """The table of scenarios is the registry."""
    page = (ROOT / "docs" / "reference" / "rehearsal.md").read_text(encoding="utf-8")
    table = page.split("## Scenarios")[1].split("## The load")[0]
    assert set(re.findall(r"^\| `([^`]+)`", table, flags=re.MULTILINE)) == set(NAMES)


def test_every_setting_has_its_default_and_reason() -> None:
    """The table of the runtime's settings is the code's, row by row."""
    page = (ROOT / "docs" / "reference" / "runtime.md").read_text(encoding="utf-8")
    table = page.split("The reasons for the defaults:")[1].split("The logs' settings")[0]
    rows = re.findall(r"^\| `(--[^`]+)` \| `([^`]+)` \|", table, flags=re.MULTILINE)
    assert rows == [(option.flag, option.default_text) for option in OPTIONS]


def test_every_module_that_is_named_exists() -> None:
    """Files and folders that pages name are there, in the source or in the tests."""
    named = {
        (page.name, name)
        for page in PAGES
        for name in re.findall(
            r"`((?:runtime|cluster|rehearse|kube|cli)/[\w/]+(?:\.py|/))`",
            page.read_text(encoding="utf-8"),
        )
    }
    rooms = (ROOT / "src" / "podready", ROOT / "tests")
    assert [pair for pair in named if not any((room / pair[1]).exists() for room in rooms)] == []


@pytest.mark.slow
def test_the_help_text_in_the_reference_is_the_commands_own() -> None:
    """`make docs` writes it between the marks."""
    check = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
