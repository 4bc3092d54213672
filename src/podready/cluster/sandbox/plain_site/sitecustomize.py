"""Keeps a Python server of a plain pod on the pod's own address.

Python imports this file at start-up because `plain` puts its folder first on PYTHONPATH. A bind
to all addresses becomes one to PODREADY_PLAIN_IP: in socket.bind, and in asyncio's and uvloop's
create_server, which bind below Python. The environment's own sitecustomize still runs.
"""

# ruff: noqa: INP001, PTH100, PTH120 - not a package but a folder of PYTHONPATH; lean imports
from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import socket
import sys
from typing import Any

_IP = os.environ.get("PODREADY_PLAIN_IP", "")
_ALL = (None, "", "0.0.0.0", "::", b"", b"0.0.0.0", b"::")
_LOOPS = {"asyncio.base_events": "BaseEventLoop", "uvloop": "Loop"}


def _own(host: Any) -> Any:
    return _IP if not isinstance(host, (list, tuple)) and host in _ALL else host


def _wrap_bind() -> None:
    bind = socket.socket.bind

    def bind_own(self: socket.socket, address: Any) -> None:
        if self.family == socket.AF_INET and isinstance(address, tuple):
            address = (_own(address[0]), *address[1:])
        bind(self, address)

    socket.socket.bind = bind_own  # type: ignore[method-assign,assignment]


def _wrap_create_server(loop_class: Any) -> None:
    create_server = loop_class.create_server

    async def create_server_own(
        self: Any, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        if options.get("sock") is None:
            host = _own(host)
        return await create_server(self, protocol_factory, host, port, **options)

    loop_class.create_server = create_server_own


class _AfterImport(importlib.abc.MetaPathFinder):
    """Wraps `create_server` of an event loop as soon as its module has been imported."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Find the module as always, and load it with one step more."""
        if name not in _LOOPS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_wrap(module: Any) -> None:
                load(module)
                _wrap_create_server(getattr(module, _LOOPS[name]))

            spec.loader.exec_module = load_and_wrap  # type: ignore[method-assign]
        return spec


def _run_next_sitecustomize() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    others = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if _IP:
    _wrap_bind()
    sys.meta_path.insert(0, _AfterImport())
_run_next_sitecustomize()
