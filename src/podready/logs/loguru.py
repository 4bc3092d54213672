"""loguru's API with podready's lines.

from podready.logs.loguru import use_loguru

use_loguru()
"""

from __future__ import annotations

from podready.runtime.logs.intake.loguru_integration import sink, use_loguru

__all__ = ["sink", "use_loguru"]
