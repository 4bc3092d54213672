"""Running the warm-up hooks between lifespan start-up and ready."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from podready.errors import SettingsError, StartupError
from podready.runtime.app.timeouts import ExitCalledError, call_bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from podready.runtime.app.registry import Hook

_log = logging.getLogger("podready.warmup")


async def run_warmups(hooks: Sequence[Hook], report: Callable[[str, float | None], None]) -> None:
    """Run `hooks` in order; `report` is called with the phase and the fraction that is done.

    Raises StartupError naming the hook that failed or took too long.
    """
    loop = asyncio.get_running_loop()
    for hook in hooks:
        phase = f"warmup {hook.name}"
        report(phase, 0.0 if hook.wants_progress else None)

        def progress(fraction: float, phase: str = phase) -> None:
            loop.call_soon_threadsafe(report, phase, min(max(float(fraction), 0.0), 1.0))

        begin = time.monotonic()
        try:
            await call_bounded(hook.function, hook.timeout, *[progress] * hook.wants_progress)
        except TimeoutError:
            raise StartupError(f"{phase} did not end within {hook.timeout:g}s") from None
        except Exception as error:
            if isinstance(error, ExitCalledError) and isinstance(error.exit, SettingsError):
                raise error.exit from error
            raise StartupError(f"{phase} failed: {type(error).__name__}: {error}") from error
        _log.info("%s took %.2f s", phase, time.monotonic() - begin)
