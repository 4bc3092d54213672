"""The names that the runtime in the pod and the developer's tools share.

Constants and enums only: nothing here imports anything of podready, and nothing here runs.
The two meet over a socket and these names, never over an import.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

ADMIN_PORT: Final = 9000
"""Where the supervisor answers probes; the port that lightship and Quarkus use too."""

LIVEZ: Final = "/livez"
READYZ: Final = "/readyz"
STARTUPZ: Final = "/startupz"

ENV_PREFIX: Final = "PODREADY_"
"""Every setting of the runtime is also an environment variable with this prefix."""

DEFAULT_GRACE_SECONDS: Final = 30.0
"""Kubernetes' default terminationGracePeriodSeconds."""

OUTSIDE_GRACE_SECONDS: Final = 10.0
"""What `docker stop` and Cloud Run give a container that is not in a pod."""

TERMINATION_LOG: Final = "/dev/termination-log"
"""Kubernetes' default terminationMessagePath; the kubelet keeps at most 4096 bytes of it."""

POD_HEADER: Final = "x-podready-pod"
"""Answer header that names the pod; sent only when the request carries the same header."""

SELF_TEST_PATH: Final = "/.podready/self-test"
SELF_TEST_HEADER: Final = b"x-podready-self-test"
"""The supervisor's request to the main port, which only a worker that it has forked answers."""


class Phase(StrEnum):
    """The life of a runtime, in order; it never goes back."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    CLOSING = "closing"
    STOPPED = "stopped"


class ExitCode(IntEnum):
    """Every exit code of every command, in one table.

    78 is EX_CONFIG and 70 EX_SOFTWARE of sysexits.h; 3 at start-up is uvicorn's own number.
    """

    OK = 0
    NOT_READY = 1  # rehearse, check: requests dropped, a scenario or a rule failed
    USAGE = 2  # a mistake in the command, the project or its manifests; the app could not start
    INCONCLUSIVE = 3  # rehearse: the generator lagged, so nothing is proved
    STARTUP_FAILED = 3  # run: the app did not start
    CUT = 70  # run --strict-exit: work in flight was cut at the deadline
    CONFIG = 78  # run: settings missing or invalid
    INTERRUPTED = 130  # Ctrl-C, as shells report it
