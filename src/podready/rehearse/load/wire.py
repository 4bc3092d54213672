"""The plan on the pipe: a `LoadPlan` as one JSON line, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson

from podready.rehearse.load.plan import (
    Connection,
    DialerTarget,
    LoadPlan,
    RequestKind,
    TcpTarget,
)


def encode_plan(plan: LoadPlan) -> bytes:
    """Return the plan as one line of JSON, newline included."""
    return orjson.dumps(asdict(plan)) + b"\n"


def decode_plan(line: bytes) -> LoadPlan:
    """Return the plan of a line that `encode_plan` wrote.

    Raises ValueError or TypeError when the line is something else: both sides are podready's
    own, so that is a bug and not a user's mistake.
    """
    fields: dict[str, Any] = orjson.loads(line)
    return LoadPlan(
        **{
            **fields,
            "target": _target(fields["target"]),
            "requests": tuple(RequestKind(**kind) for kind in fields["requests"]),
            "connections": tuple((Connection(c), share) for c, share in fields["connections"]),
            "headers": tuple((name, value) for name, value in fields["headers"]),
            "streams": tuple(fields["streams"]),
        }
    )


def _target(fields: dict[str, Any]) -> DialerTarget | TcpTarget:
    return DialerTarget(**fields) if "path" in fields else TcpTarget(**fields)
