"""A fake environment for settings classes: only what a test says, nothing of this machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podready.runtime.settings.sources import Sources
    from podready.runtime.settings.variable import Options


@contextmanager
def settings_env(
    variables: Mapping[str, str] | None = None, *, secret_files: Mapping[str, str] | None = None
) -> Iterator[Path]:
    """Let settings classes see `variables` and `secret_files` only, until the end of the block.

    `os.environ` is exactly `variables`, and is put back afterwards. Each of `secret_files` is a
    file of that name with that text in a temporary folder, whose path is yielded: NAME_FILE says
    its path, and a class with `directories` reads this folder instead of them. No `.env` is read.
    """
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="podready-") as folder, _only(folder):
        for name, text in (secret_files or {}).items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        paths = {f"{name}_FILE": str(Path(folder) / name) for name in secret_files or {}}
        _replace_environ({**(variables or {}), **paths})
        try:
            yield Path(folder)
        finally:
            _replace_environ(before)


def _replace_environ(variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


@contextmanager
def _only(folder: str) -> Iterator[None]:
    """Have settings classes read `folder` instead of their own, and no `.env`."""
    from podready.runtime.settings import sources
    from podready.runtime.settings.environment import removed_secrets

    original, removed = sources.open_sources, dict(removed_secrets)

    def open_sources(
        options: Options, declared: set[str], environ: Mapping[str, str], **_allow_env_file: Any
    ) -> Sources:
        directories = (folder,) if options.directories else ()
        options = options.replace(directories=directories)
        return original(options, declared, environ, allow_env_file=False)

    sources.open_sources = open_sources
    removed_secrets.clear()
    try:
        yield
    finally:
        sources.open_sources = original
        removed_secrets.clear()
        removed_secrets.update(removed)
