"""Which shell an image has, and what stands in for it here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from podready.cluster.kubelet import shell
from podready.cluster.kubelet.shell import as_in_image, shell_limit, shell_of

SHELL_FORM = ("/bin/sh", "-c", "uvicorn app:app")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Ask the machine anew in each test."""
    shell.stand_in.cache_clear()
    yield
    shell.stand_in.cache_clear()


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("python:3.13-slim", "dash"),
        ("python:3.13", "dash"),
        ("docker.io/library/debian:bookworm", "dash"),
        ("python:3.13-alpine", "busybox"),
        ("fedora:42", "bash"),
        ("registry.access.redhat.com/ubi9/python-312", "bash"),
        ("gcr.io/distroless/base", ""),
        ("", ""),
    ],
)
def test_the_shell_of_an_image(base: str, name: str) -> None:
    """Debian's is dash, Alpine's busybox, Red Hat's bash; others are not guessed."""
    assert shell_of(base) == name


def machine(monkeypatch: pytest.MonkeyPatch, sh: str, *programs: str) -> None:
    """Pretend that /bin/sh is `sh` here and that only these programs are installed."""
    monkeypatch.setattr(Path, "resolve", lambda self: Path(f"/usr/bin/{sh}"))
    monkeypatch.setattr(
        shutil, "which", lambda name: f"/usr/bin/{name}" if name in programs else None
    )


def test_a_machine_with_another_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Fedora a Debian image's shell-form CMD still gets dash, where it is installed."""
    machine(monkeypatch, "bash", "dash")
    assert as_in_image(SHELL_FORM, "python:3.13-slim") == ("/usr/bin/dash", *SHELL_FORM[1:])
    assert as_in_image(SHELL_FORM, "fedora:42") == SHELL_FORM
    assert as_in_image(SHELL_FORM, "") == SHELL_FORM
    assert as_in_image(("uvicorn",), "python:3.13-slim") == ("uvicorn",)
    assert shell_limit("python:3.13-slim") == ""


def test_a_machine_without_the_image_s_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own shell is taken, and the report says what that may change."""
    machine(monkeypatch, "bash")
    assert as_in_image(SHELL_FORM, "python:3.13-slim") == SHELL_FORM
    assert "which has no dash" in shell_limit("python:3.13-slim")


def test_debian_on_alpine_and_the_other_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """busybox and bash are called so that they behave as `sh`."""
    machine(monkeypatch, "dash", "busybox", "bash")
    assert as_in_image(SHELL_FORM, "alpine:3")[:2] == ("/usr/bin/busybox", "sh")
    assert as_in_image(SHELL_FORM, "fedora")[:2] == ("/usr/bin/bash", "--posix")
