"""Rolling update: every pod is replaced, as by `kubectl rollout restart` or a new image."""

from __future__ import annotations

from podready.rehearse.driver import Driver
from podready.rehearse.scenario import Scenario


async def _update(driver: Driver) -> None:
    await driver.restart()
    await driver.wait_for_rollout()


SCENARIO = Scenario(
    name="rolling-update",
    title="Rolling update",
    holds="All pods are replaced by new ones and no request is lost.",
    action=_update,
)
