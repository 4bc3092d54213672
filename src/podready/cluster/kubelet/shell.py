"""Which shell `/bin/sh` is in an image, and what replaces it on this machine.

It decides whether a shell-form CMD hands SIGTERM on: dash (Debian, Ubuntu) stays PID 1 and does
not, bash (Fedora, Red Hat) and busybox (Alpine) replace themselves by a last simple command. A
machine's own `/bin/sh` may be of the other sort than the image's.
"""

from __future__ import annotations

import functools
import re
import shutil
from pathlib import Path
from typing import Final

_SHELL: Final = "/bin/sh"
_SHELLS: Final = (
    ("busybox", re.compile(r"alpine|busybox")),
    ("bash", re.compile(r"fedora|centos|rocky|almalinux|redhat|\bubi\d|amazonlinux|oraclelinux")),
    ("dash", re.compile(r"debian|ubuntu|python|slim|bookworm|bullseye|trixie")),
)
"""By the image's name and tag; the first match wins (python:3.13-alpine is no Debian)."""

_STAND_INS: Final = {"dash": ("dash",), "bash": ("bash", "--posix"), "busybox": ("busybox", "sh")}


def shell_of(base: str) -> str:
    """Return the shell behind /bin/sh in images from `base`; "" when the name does not say."""
    return next((shell for shell, known in _SHELLS if known.search(base)), "")


def as_in_image(argv: tuple[str, ...], base: str) -> tuple[str, ...]:
    """Return the command with the image's own sort of shell, where this machine has it."""
    if not argv or argv[0] != _SHELL:
        return argv
    return (*(stand_in(shell_of(base)) or (_SHELL,)), *argv[1:])


def shell_limit(base: str) -> str:
    """Return what a machine without the image's shell cannot show; "" when it has it."""
    wanted = shell_of(base)
    if not wanted or stand_in(wanted):
        return ""
    return (
        f"/bin/sh is {wanted} in {base} but not on this machine, which has no {wanted}: whether a "
        "shell-form CMD hands SIGTERM on may differ."
    )


@functools.cache
def stand_in(shell: str) -> tuple[str, ...]:
    """Return what to run for /bin/sh to be that shell; () when this machine lacks it."""
    if not shell or Path(_SHELL).resolve().name == shell:
        return (_SHELL,)
    program, *rest = _STAND_INS[shell]
    found = shutil.which(program)
    return (found, *rest) if found else ()
