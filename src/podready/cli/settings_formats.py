"""The variables of a settings class as a table, `.env.example`, Markdown and JSON Schema."""

from __future__ import annotations

import json
import re
import types
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin

from podready.runtime.printable import printable
from podready.runtime.settings.documentation import docs_of
from podready.runtime.settings.report import quote, render_report
from podready.runtime.settings.schema import Section, Variable
from podready.runtime.settings.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podready.runtime.settings.load import Reading, Schema

_WIDEST: Final = 48
_SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final = re.compile(r"[\w./:@%+,=~\-]*", re.ASCII)


def title(schema: Schema) -> str:
    """Return one line: the class, how many variables, their prefix."""
    count = len(schema.variables())
    prefix = f" ({schema.options.prefix}*)" if schema.options.prefix else ""
    return f"{schema.kind.__name__}: {count} variable{'s' if count != 1 else ''}{prefix}"


def always(section: Section) -> list[Variable]:
    """Return the variables outside optional sections."""
    variables: list[Variable] = []
    for member in section.members:
        if isinstance(member, Variable):
            variables.append(member)
        elif member.default is not None:
            variables += always(member)
    return variables


def present_table(schema: Schema, reading: Reading) -> str:
    """Return the table of the variables as they are now, and what is wrong with them."""
    docs = docs_of(schema.section)
    rows = [("VARIABLE", "TYPE", "DEFAULT", "VALUE", "FROM", "")]
    rows += [
        (
            variable.name,
            _short(variable.parser.name),
            _short(default_of(schema, variable)),
            *_present(variable, reading),
            docs.get(variable.name, ""),
        )
        for variable in schema.variables()
    ]
    parts = [title(schema), _aligned(rows)]
    if reading.problems:
        parts.append(render_report(reading.problems, schema.options.prefix))
    return "\n\n".join(parts)


def default_of(schema: Schema, variable: Variable) -> str:
    """Return the default as it is shown, or when the variable is required."""
    if not variable.required:
        return variable.shown_default
    prefix = optional_prefix(schema, variable)
    return f"required if any {prefix}* is set" if prefix else "required"


def optional_prefix(schema: Schema, variable: Variable) -> str:
    """Return the prefix of the optional section that a variable belongs to; "" if it has none."""
    for section in schema.section.sections():
        if section.default is None and variable in section.variables():
            return section.prefix
    return ""


def _present(variable: Variable, reading: Reading) -> tuple[str, str]:
    raw = reading.raw_values.get(variable.name)
    if raw is None:
        return "", "missing" if variable.required else "default"
    return quote(variable.name, raw.text, secret=variable.secret), raw.source


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def env_example(schema: Schema) -> str:
    """Return a `.env.example`: required variables open, optional ones as comments."""
    docs = docs_of(schema.section)
    blocks = []
    for variable in schema.variables():
        facts = [variable.parser.name, *_facts(variable, default_of(schema, variable))]
        head = f"# {docs.get(variable.name, '')} ({', '.join(facts)})".replace("#  ", "# ")
        text = "" if variable.sensitive else variable.default_text or ""
        mark = "" if default_of(schema, variable) == "required" else "#"
        blocks.append(f"{head}\n{mark}{variable.name}={_quoted(text)}\n")
    return "\n".join(blocks)


def _facts(variable: Variable, default: str) -> list[str]:
    required = [default] if variable.required else []
    return required + (["secret"] if variable.sensitive else [])


def _quoted(text: str) -> str:
    """Return a text as a `.env` file holds it."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def markdown(schema: Schema) -> str:
    """Return a Markdown table of the variables, for an app's documentation."""
    docs = docs_of(schema.section)
    lines = ["| variable | type | default | |", "|---|---|---|---|"]
    for variable in schema.variables():
        default = default_of(schema, variable)
        shown = default if variable.required or variable.default is None else f"`{default}`"
        cells = (f"`{variable.name}`", variable.parser.name, shown, docs.get(variable.name, ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def json_schema(schema: Schema) -> str:
    """Return a JSON Schema (draft 2020-12) of the environment as one object.

    Values have the JSON types that mean the same: a port may be a number. A secret is
    `writeOnly` and has no default.
    """
    docs = docs_of(schema.section)
    properties = {}
    for variable in schema.variables():
        property_ = {**type_schema(variable.hint), "description": docs.get(variable.name, "")}
        if variable.sensitive:
            property_["writeOnly"] = True
        elif variable.default_text is not None:
            property_["default"] = _default(variable)
        properties[variable.name] = {
            name: value for name, value in property_.items() if value != ""
        }
    document = {
        "$schema": _SCHEMA,
        "title": schema.kind.__name__,
        "type": "object",
        "properties": properties,
        "required": [v.name for v in always(schema.section) if v.required],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _default(variable: Variable) -> Any:
    """Return the default in the JSON type of `type_schema`."""
    plain = isinstance(variable.default, bool | int | float) and not isinstance(
        variable.default, Enum
    )
    own = type_schema(variable.hint).get("type") in ("boolean", "integer", "number")
    return variable.default if plain and own else variable.default_text


def type_schema(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of one type; a type without one of its own is a string."""
    origin = get_origin(hint) or hint
    if origin in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return type_schema(kinds[0]) if len(kinds) == 1 else {}
    if origin is Secret:
        return type_schema((*get_args(hint), str)[0])
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [_choice(member) for member in hint]}
    return _NAMED.get(getattr(origin, "__name__", ""), {"type": "string"}).copy()


def _choice(member: Enum) -> Any:
    if type(member).__name__ == "LogLevel":
        return member.name.lower()
    return member.value if isinstance(member.value, str | int | float) else str(member.value)


_NAMED: Final[dict[str, dict[str, Any]]] = {
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "timedelta": {"type": "string", "pattern": r"^(\d+(\.\d+)?(us|ms|s|m|h|d) ?)+$"},
    "ByteSize": {"type": ["string", "integer"]},
    "Url": {"type": "string", "format": "uri"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "UUID": {"type": "string", "format": "uuid"},
    "IPv4Address": {"type": "string", "format": "ipv4"},
    "IPv6Address": {"type": "string", "format": "ipv6"},
    "SecretStr": {"type": "string"},
}
