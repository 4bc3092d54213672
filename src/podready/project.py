"""`[tool.podready]` of pyproject.toml, or podready.toml, as one frozen `Project`.

Everything has a default, so a project with a Dockerfile and a `deploy/` folder needs no
settings at all. What is there must be right: an unknown key or a wrong type is a `ProjectError`
with file and line, and with the key that was probably meant.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from podready.errors import ProjectError
from podready.values.closest_match import closest_match
from podready.values.durations import parse_seconds

MANIFEST_FOLDERS: Final = ("deploy", "k8s", "manifests")
"""Where manifests are looked for when the project does not say."""

DEFAULT_RPS: Final = 300.0
"""Requests a second: the load engine holds 300-500 on two busy cores with room to spare."""

DEFAULT_LAG_SECONDS: Final = 1.0
"""How long a node's proxy goes on routing to a terminating pod: kube-proxy's minSyncPeriod."""


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """One kind of request of the rehearsal's mix; `weight` is its share, `timeout` in seconds."""

    name: str
    method: str = "GET"
    path: str = "/"
    weight: float = 1.0
    body: str = ""
    expect: int = 200
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class RehearseSettings:
    """`[tool.podready.rehearse]`: the load, and how adverse the cluster is; times in seconds.

    `host_ports` are ports of this machine's loopback that pods may reach; `env` goes over the
    environment of the app's manifests, and may hold secrets.
    """

    requests: tuple[RequestSettings, ...] = (RequestSettings("root"),)
    rps: float = DEFAULT_RPS
    rounds: int = 1
    endpoint_lag: float = DEFAULT_LAG_SECONDS
    streams: tuple[str, ...] = ()
    start_timeout: float = 60.0
    host_ports: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Project:
    """A project as its own settings describe it; paths are absolute."""

    root: Path
    name: str
    app: str = ""
    manifests: tuple[Path, ...] = ()
    dockerfile: Path = Path("Dockerfile")
    service: str = ""
    """`name` or `name:port`; "" means the only Service of the manifests."""
    namespace: str = "default"
    rehearse: RehearseSettings = field(default_factory=RehearseSettings)


def load_project(root: Path) -> Project:
    """Return the project of a folder; `ProjectError` when it or its settings are wrong."""
    if not root.is_dir():
        raise ProjectError(f"{root}: no such folder; name the project's folder")
    root = root.resolve()
    table, source, fallback_name = _find_table(root)
    values = source.read(table, _PROJECT_KEYS, "")
    rehearse = source.read(values.get("rehearse", {}), _REHEARSE_KEYS, "rehearse")
    values["rehearse"] = RehearseSettings(**rehearse)
    values.setdefault("name", fallback_name)
    values["manifests"] = _manifest_paths(root, values.get("manifests"), source)
    values["dockerfile"] = root / values.get("dockerfile", "Dockerfile")
    return Project(root=root, **values)


class _Source:
    """A TOML file that can say on which line a key stands (tomllib cannot)."""

    def __init__(self, file: Path, prefix: str) -> None:
        self.file = file
        self._prefix = prefix
        self._text = file.read_text(encoding="utf-8") if file.is_file() else ""

    def parse(self) -> dict[str, Any]:
        """Return the whole file; `ProjectError` with the parser's own line when it is not TOML."""
        try:
            return tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"at line (\d+)", str(error))  # or "at end of document"
            where = f"{self.file}:{line[1] if line else len(self._text.splitlines())}"
            reason = re.sub(r" \(at .*\)", "", str(error))
            raise ProjectError(f"{where}: not valid TOML: {reason}") from error

    def read(self, table: object, keys: dict[str, _Reader], path: str) -> dict[str, Any]:
        """Return the table's values as field name -> value, each read by its own reader."""
        if not isinstance(table, dict):
            raise self.error("", path, f"must be a table, not {_kind(table)}")
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in keys:
                raise self._unknown(path, key, keys)
            try:
                values[key.replace("-", "_")] = keys[key](value)
            except _NestedError as error:
                raise self.error(f"{path}.{key}".strip("."), error.key, error.reason) from None
            except ValueError as error:
                raise self.error(path, key, str(error)) from None
        return values

    def error(self, path: str, key: str, reason: str) -> ProjectError:
        """Return the error for a key, with the line it stands on."""
        name = ".".join(part for part in (self._prefix, path, key) if part)
        return ProjectError(f"{self._where(path, key)}: {name}: {reason}")

    def _unknown(self, path: str, key: str, keys: dict[str, _Reader]) -> ProjectError:
        near = closest_match(key, keys)
        hint = f"did you mean {near!r}?" if near else f"known keys: {', '.join(sorted(keys))}"
        return self.error(path, key, f"unknown key; {hint}")

    def _where(self, path: str, key: str) -> str:
        header = ".".join(part for part in (self._prefix, path) if part)
        inside = header == ""
        for number, line in enumerate(self._text.splitlines(), start=1):
            head = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
            if head:
                inside = head[1].replace(" ", "").replace('"', "") == header
            elif inside and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
                return f"{self.file}:{number}"
        return self._where_header(header, key)

    def _where_header(self, header: str, key: str) -> str:
        wanted = {header, f"{header}.{key}".strip(".")}
        for number, line in enumerate(self._text.splitlines(), start=1):
            head = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
            if head and head[1].replace(" ", "") in wanted:
                return f"{self.file}:{number}"
        return str(self.file)


class _NestedError(ValueError):
    """A value inside an array of tables is wrong; `key` is the inner key."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key, self.reason = key, reason


def _find_table(root: Path) -> tuple[object, _Source, str]:
    """Return podready's own table, the file it stands in, and a name for the project."""
    pyproject, own = _Source(root / "pyproject.toml", "tool.podready"), root / "podready.toml"
    whole = pyproject.parse()
    project = whole.get("project", {})
    name = str(project.get("name", root.name)) if isinstance(project, dict) else root.name
    tool = whole.get("tool", {})
    table = tool.get("podready") if isinstance(tool, dict) else None
    if not own.is_file():
        return (table if table is not None else {}), pyproject, name
    if table is not None:
        raise ProjectError(
            f"{own} and [tool.podready] of {pyproject.file} both exist; keep one of them"
        )
    source = _Source(own, "")
    return source.parse(), source, name


def _manifest_paths(
    root: Path, configured: tuple[str, ...] | None, source: _Source
) -> tuple[Path, ...]:
    if configured is None:
        return tuple(root / name for name in MANIFEST_FOLDERS if (root / name).is_dir())
    for name in configured:
        if not (root / name).exists():
            raise source.error("", "manifests", f"{name!r} does not exist in {root}")
    return tuple(root / name for name in configured)


_Reader = Callable[[object], Any]


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be a text, not {_kind(value)}")
    return value


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"must be a number, not {_kind(value)}")


def _positive(value: object) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError(f"must be greater than 0, not {value}")
    return number


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"must be a whole number of at least 1, not {value!r}")
    return value


def _status(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 100 <= value <= 599:
        raise ValueError(f"must be an HTTP status (100-599), not {value!r}")
    return value


def _seconds(value: object) -> float:
    if isinstance(value, str):
        try:
            return parse_seconds(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is not {error}") from None
    number = _number(value)
    if number < 0:
        raise ValueError("must not be negative")
    return number


def _texts(value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"must be a list of texts, not {_kind(value)}")
    return tuple(items)


def _ports(value: object) -> tuple[int, ...]:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int) or not 1 <= item <= 65535:
            raise ValueError(f"must be a list of ports (1-65535), not {value!r}")
    return tuple(dict.fromkeys(items))


def _variables(value: object) -> dict[str, str]:
    """Return variables by name; messages never show a value, which may be a secret."""
    table = value if isinstance(value, dict) else None
    if table is None:
        raise ValueError('must be a table of NAME = "value"')
    for name, text in table.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise _NestedError(name, "is not a name for an environment variable")
        if not isinstance(text, str):
            raise _NestedError(name, "must be a text: put its value in quotes")
    return dict(table)


def _path(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError(f"must be a path that begins with '/', not {value!r}")
    return value


def _method(value: object) -> str:
    method = _text(value).upper()
    if not re.fullmatch(r"[A-Z]+", method):
        raise ValueError(f"must be an HTTP method, not {value!r}")
    return method


def _requests(value: object) -> tuple[RequestSettings, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be one or more [[…requests]] tables")
    if not all(isinstance(item, dict) for item in value):
        raise ValueError("must be one or more [[…requests]] tables")
    return tuple(_request(item) for item in value)


def _request(item: dict[str, object]) -> RequestSettings:
    values: dict[str, Any] = {}
    for key, value in item.items():
        if key not in _REQUEST_KEYS:
            near = closest_match(key, _REQUEST_KEYS)
            hint = f"did you mean {near!r}?" if near else f"known: {', '.join(_REQUEST_KEYS)}"
            raise _NestedError(key, f"unknown key; {hint}")
        try:
            values[key] = _REQUEST_KEYS[key](value)
        except ValueError as error:
            raise _NestedError(key, str(error)) from None
    values.setdefault("name", f"{values.get('method', 'GET')} {values.get('path', '/')}")
    return RequestSettings(**values)


def _any(value: object) -> object:
    return value


def _kind(value: object) -> str:
    names = {str: "a text", bool: "a boolean", list: "a list", dict: "a table"}
    return names.get(type(value), f"{value!r}") if value != "" else "an empty text"


_REQUEST_KEYS: Final[dict[str, _Reader]] = {
    "name": _text,
    "method": _method,
    "path": _path,
    "weight": _positive,
    "body": lambda value: value if isinstance(value, str) else _text(value),
    "expect": _status,
    "timeout": lambda value: _positive(_seconds(value)),
}

_REHEARSE_KEYS: Final[dict[str, _Reader]] = {
    "requests": _requests,
    "rps": _positive,
    "rounds": _count,
    "endpoint-lag": _seconds,
    "streams": _texts,
    "start-timeout": lambda value: _positive(_seconds(value)),
    "host-ports": _ports,
    "env": _variables,
}

_PROJECT_KEYS: Final[dict[str, _Reader]] = {
    "name": _text,
    "app": _text,
    "manifests": _texts,
    "dockerfile": _text,
    "service": _text,
    "namespace": _text,
    "rehearse": _any,
}
