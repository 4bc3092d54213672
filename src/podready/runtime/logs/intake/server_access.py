"""The access lines that other servers write, read from their records: one form for all of them.

uvicorn gives five arguments, gunicorn and hypercorn the same table of atoms, granian a table with
names. What a server does not report (uvicorn: size and time) is left out, not made up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from podready.runtime.logs.formats.parts import ServedRequest
from podready.runtime.logs.intake.access_log import is_quiet_probe
from podready.runtime.logs.values import Event, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import LogRecord

_MAX_ID: Final = 128
_UNKNOWN: Final = ("", "-", "None")
_ERROR: Final = 40
_INFO: Final = 20


def read_access(record: LogRecord, level: int) -> tuple[int, ServedRequest | None, Event]:
    """Return level, request and further fields of an access record that came with `level`.

    The level is 0 for a probe that passed, which gets no line. The request is None where the
    record is in no known form; then it is a line like any other. Never raises.
    """
    try:
        result = _READERS[record.name](record.args)
    except (KeyError, TypeError, ValueError, IndexError):
        return level, None, {}
    request, fields = result
    if is_quiet_probe(request):
        return 0, request, fields
    level = _ERROR if request.status >= 500 else min(level, _INFO)
    return level, request, fields


def _uvicorn(args: Any) -> tuple[ServedRequest, Event]:
    client, method, path, version, status = args
    return ServedRequest(
        method=text(method),
        path=_without_query(path),
        status=int(status),
        size=None,
        seconds=None,
        client=text(client).rpartition(":")[0],
        protocol=f"HTTP/{version}",
    ), {}


def _gunicorn(atoms: Any) -> tuple[ServedRequest, Event]:
    return _of_atoms(atoms, client=_known(atoms["h"]), protocol=_known(atoms["H"]))


def _hypercorn(atoms: Any) -> tuple[ServedRequest, Event]:
    client = _known(atoms["h"])
    host, colon, port = client.rpartition(":")
    protocol = _known(atoms["H"])
    return _of_atoms(
        atoms,
        client=host if colon and port.isdigit() else client,
        protocol=protocol if protocol in {"", "ws"} else f"HTTP/{protocol}",
    )


def _of_atoms(atoms: Any, *, client: str, protocol: str) -> tuple[ServedRequest, Event]:
    size = _known(atoms["B"])
    request = ServedRequest(
        method=_known(atoms["m"]),
        path=_without_query(atoms["U"]),
        status=int(atoms["s"]),
        size=int(size) if size.isdigit() else None,
        seconds=int(atoms["D"]) / 1e6,  # microseconds
        client=client,
        user_agent=_known(atoms["a"]),
        protocol=protocol,
    )
    request_id = _known(atoms["{x-request-id}i"])
    is_valid = request_id.isascii() and request_id.isprintable() and len(request_id) <= _MAX_ID
    return request, {"request_id": request_id} if request_id and is_valid else {}


def _granian(atoms: Any) -> tuple[ServedRequest, Event]:
    return ServedRequest(
        method=_known(atoms["method"]),
        path=_without_query(atoms["path"]),
        status=int(atoms["status"]),
        size=None,
        seconds=float(atoms["dt_ms"]) / 1e3,
        client=_known(atoms["addr"]),
        protocol=f"HTTP/{_known(atoms['protocol']).removeprefix('HTTP/')}",
    ), {}


def _known(value: object) -> str:
    known = text(value)
    return "" if known in _UNKNOWN else known


def _without_query(path: object) -> str:
    return text(path).partition("?")[0]


_READERS: Final[dict[str, Callable[[Any], tuple[ServedRequest, Event]]]] = {
    "uvicorn.access": _uvicorn,
    "gunicorn.access": _gunicorn,
    "hypercorn.access": _hypercorn,
    "granian.access": _granian,
}

ACCESS_LOGGERS: Final = frozenset(_READERS)
"""The names under which servers write access lines of their own."""
