"""The server engines, picked by a table of dotted names: one file each, imported only when used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from podready.errors import MissingExtra

if TYPE_CHECKING:
    import socket

    from podready.runtime.asgi_types import App, Send
    from podready.runtime.run_config import RunConfig

ENGINES: Final = {
    "uvicorn": "podready.runtime.engines.uvicorn:UvicornEngine",
    "granian": "podready.runtime.engines.granian:GranianEngine",
}


class Engine(Protocol):
    """What the worker asks of a server. All of it runs on the worker's event loop."""

    def __init__(self, app: App, config: RunConfig, state: dict[str, object]) -> None:
        """Take the wrapped app and the lifespan's state."""

    @staticmethod
    def client_gone(send: Send) -> bool:
        """Whether the client of the answer that `send` sends has disconnected."""

    async def listen(self, sock: socket.socket) -> None:
        """Begin to accept on `sock`, which stays open until `stop_accepting`."""

    async def stop_accepting(self) -> int:
        """Serve all that the kernel has accepted, close the socket; return how many those were."""

    def close_idle(self, quiet: float) -> None:
        """Close the connections that wait for a request since `quiet` seconds or longer."""

    def open_connections(self) -> int:
        """Return how many connections are open, idle ones included."""

    async def close(self) -> None:
        """Close all that is left."""


def engine_class(name: str) -> type[Engine]:
    """Import and return the engine called `name`; MissingExtra when it is not installed."""
    module, _, attribute = ENGINES[name].partition(":")
    try:
        found: type[Engine] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name:
            raise
        raise MissingExtra(f"run --engine {name}", name) from error
    return found
