"""The how-to's code runs, and its report is the one that podready prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "configure-an-app.md"


def test_the_report_in_the_how_to_is_what_its_code_prints(tmp_path: Path) -> None:
    """First code block, started with the mistakes that the page talks about."""
    text = PAGE.read_text()
    code = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[0]
    report = re.findall(r"```\n(config: .*?)```", text, flags=re.DOTALL)[0]
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
