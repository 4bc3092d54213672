"""Writes the table of docs/reference/metrics.md from the table in the code.

`--check` writes nothing and fails when the page is behind.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from podready.runtime.metrics.families import FAMILIES, Family

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"
BLOCK = re.compile(r"<!-- metrics -->\n.*?<!-- /metrics -->", re.DOTALL)

_MERGED = {
    "sum": "sum of all workers, ended ones included",
    "live": "sum of the running workers",
    "max": "the largest of all workers, ended ones included",
    "own": "the supervisor's own",
}


def table() -> str:
    """Return the block between the marks."""
    rows = [_row(family) for family in FAMILIES]
    head = "| name | kind | labels | what it is | of several workers |\n|---|---|---|---|---|"
    return "\n".join(("<!-- metrics -->", head, *rows, "<!-- /metrics -->"))


def _row(family: Family) -> str:
    labels = ", ".join(f"`{name}`" for name in family.labels)
    merged = "one series each" if "worker" in family.labels else _MERGED[family.merge]
    return f"| `{family.name}` | {family.kind} | {labels} | {family.help} | {merged} |"


def main() -> int:
    """Write the table, or with --check say that it is behind."""
    text = PAGE.read_text(encoding="utf-8")
    fresh = BLOCK.sub(lambda _: table(), text)
    if fresh != text and "--check" in sys.argv:
        print(
            "docs/reference/metrics.md is behind the code; run python scripts/generate_metrics.py"
        )
        return 1
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
