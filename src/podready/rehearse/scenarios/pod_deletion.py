"""Deletion of a pod: one ready pod is deleted and another takes its place."""

from __future__ import annotations

from podready.rehearse.driver import Driver
from podready.rehearse.scenario import Scenario


async def _delete(driver: Driver) -> None:
    pod = await driver.delete_ready_pod()
    await driver.wait_until_gone(pod)
    await driver.wait_until_replaced()


SCENARIO = Scenario(
    name="pod-deletion",
    title="Deletion of a pod",
    holds="One pod goes, as in a node drain, another takes its place and no request is lost.",
    action=_delete,
    share=lambda replicas: 1 / max(1, replicas),
)
