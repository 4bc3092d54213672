"""Writes what the documentation takes from the code: help texts, between their marks.

A block begins with `<!-- generated: COMMAND -->` and ends with `<!-- end -->`. `--check` writes
nothing and fails when a block is not what the command prints now.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"<!-- generated: (.+?) -->\n.*?<!-- end -->", re.DOTALL)


def printed(command: str) -> str:
    """Return the block for a `podready …` command line."""
    words = [sys.executable, "-m", *shlex.split(command)]
    environment = {**os.environ, "COLUMNS": "96", "NO_COLOR": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    return f"<!-- generated: {command} -->\n```\n{done.stdout.rstrip()}\n```\n<!-- end -->"


def main() -> int:
    """Write every block, or with --check say which page is behind."""
    stale = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        fresh = BLOCK.sub(lambda found: printed(found[1]), text)
        if fresh == text:
            continue
        stale.append(str(page.relative_to(ROOT)))
        if "--check" not in sys.argv:
            page.write_text(fresh, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"behind the code: {', '.join(stale)}; run `make docs`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
