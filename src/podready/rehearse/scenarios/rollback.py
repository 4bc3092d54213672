"""Rollback: back to the revision before, as by `kubectl rollout undo`."""

from __future__ import annotations

from podready.rehearse.driver import Driver
from podready.rehearse.scenario import Scenario


async def _roll_back(driver: Driver) -> None:
    await driver.undo()
    await driver.wait_for_rollout()


async def _ensure_revision(driver: Driver) -> None:
    """Make a second revision when this scenario runs alone: there must be a way back."""
    if not await driver.has_previous_revision():
        await driver.restart()
        await driver.wait_for_rollout()
        await driver.wait_until_quiet()


SCENARIO = Scenario(
    name="rollback",
    title="Rollback",
    holds="The revision before comes back and no request is lost.",
    action=_roll_back,
    prepare=_ensure_revision,
)
