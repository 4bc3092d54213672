"""The Deployment controller: rollouts, rollbacks, pauses and scaling, by way of ReplicaSets.

After kubernetes/pkg/controller/deployment. `controller` decides what a Deployment needs now,
`replica_sets` writes it, `revisions` and `progress` are the pure parts.
"""

from podready.cluster.controllers.deployment.controller import build

__all__ = ["build"]
