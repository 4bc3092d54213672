"""report.json: the whole result, schema podready.rehearsal/v1."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from podready.rehearse.result import RehearsalResult
from podready.rehearse.result_json import to_json

FILE_NAME: Final = "report.json"


def write_json(result: RehearsalResult, folder: Path) -> Path:
    """Write the file into `folder` and return its path."""
    path = folder / FILE_NAME
    path.write_text(to_json(result) + "\n", encoding="utf-8")
    return path
