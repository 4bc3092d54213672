"""The termination message: why the container ended, where `kubectl describe pod` shows it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from podready.contract import TERMINATION_LOG
from podready.runtime.url_passwords import without_passwords

if TYPE_CHECKING:
    from collections.abc import Mapping

ENV_TERMINATION_LOG = "PODREADY_TERMINATION_LOG"
_MAX_BYTES = 4096
"""What the kubelet keeps of it."""


def write_termination_message(text: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Write `text`, cut to 4096 bytes, where the kubelet looks for it; False if that cannot be.

    Passwords in URLs are left out, as in the log: a pod's status is shown to many.
    The file exists in a pod only: the kubelet makes it and mounts it, so it is never created here
    unless PODREADY_TERMINATION_LOG names it.
    """
    named = environ.get(ENV_TERMINATION_LOG)
    flags = os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_CREAT if named else 0)
    try:
        fd = os.open(named or TERMINATION_LOG, flags, 0o600)
    except OSError:
        return False
    try:
        os.write(fd, without_passwords(text.encode("utf-8", "replace"), bare=True)[:_MAX_BYTES])
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
