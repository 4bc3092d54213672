"""structlog's API with podready's lines (`pip install 'podready[structlog]'`).

from podready.logs.structlog import use_structlog

use_structlog()
"""

from __future__ import annotations

from podready.runtime.logs.intake.structlog_integration import use_structlog

__all__ = ["use_structlog"]
