"""pydantic-settings classes, loaded by pydantic-settings itself and reported by podready.

pydantic reads as it does alone. podready adds one report with the names of the environment,
misspelt names, `NAME_FILE`, and that no value of a secret is shown.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, get_args, get_origin

import pydantic
import pydantic_settings

from podready.runtime.settings.adapters.pydantic_models import (
    ADAPTER,
    alias_names,
    declared_of,
    is_optional,
    pydantic_parser,
    reason_of,
)
from podready.runtime.settings.app_errors import describe_error
from podready.runtime.settings.diagnosis import describe, scrub
from podready.runtime.settings.environment import FILE_SUFFIX, RawValue, SourceError
from podready.runtime.settings.load import Reading, Schema, unknown_variables
from podready.runtime.settings.report import Problem, quote
from podready.runtime.settings.schema import Field, Section, Variable
from podready.runtime.settings.sources import Sources, open_sources
from podready.runtime.settings.variable import Options
from podready.values.closest_match import closest_match

_UNREADABLE: Final = re.compile(r'field "([^"]+)"')
"""pydantic-settings names the field, and only that, when a text is not JSON."""


class PydanticSchema(Schema):
    """A pydantic-settings class with the names that its variables have."""

    def __init__(self, kind: Any, options: Options) -> None:
        config = kind.model_config
        secrets, file = config.get("secrets_dir"), config.get("env_file")
        self.kind = kind
        self.options = options.replace(
            prefix=_cased(config.get("env_prefix", ""), config),
            directories=_paths(secrets),
            env_file=next(iter(_paths(file)), None),
        )
        self.section = _section(kind, "", self.options.prefix, ())

    def read(self, environ: Mapping[str, str], *, allow_env_file: bool = False) -> Reading:
        """Let pydantic-settings read; name what it rejects by the environment's names."""
        sensitive = bool(self.kind.model_config.get("case_sensitive"))
        folded = environ if sensitive else {name.upper(): text for name, text in environ.items()}
        names = self.section.names()
        sources = open_sources(self.options, names, folded, allow_env_file=allow_env_file)
        problems, raw_values = self._locate(sources)
        files = {
            name: raw.text for name, raw in raw_values.items() if folded.get(name + FILE_SUFFIX)
        }
        with _environment({**environ, **files}):
            texts = _texts(self.section, folded, raw_values)
            attempt = _Attempt(self.section, raw_values, texts, allow_env_file=allow_env_file)
            value, rejected = attempt.make()
        named = {problem.name for problem in problems}
        problems += [problem for problem in rejected if problem.name not in named]
        if self.options.prefix and self.options.unknown == "error":
            problems += unknown_variables(names, sources, self.options.prefix)
        problems = self._ordered(problems)
        return Reading(None if problems else value, problems, raw_values)

    def _ordered(self, problems: list[Problem]) -> list[Problem]:
        """Return the first problem of each variable, in the order of the fields."""
        places = {variable.name: place for place, variable in enumerate(self.variables())}
        first = {problem.name: problem for problem in reversed(problems)}
        return sorted(first.values(), key=lambda problem: places.get(problem.name, len(places)))

    def _locate(self, sources: Sources) -> tuple[list[Problem], dict[str, RawValue]]:
        problems, raw_values = [], {}
        for variable in self.variables():
            try:
                raw = sources.find(variable.name, variable.aliases)
            except SourceError as error:
                problems.append(Problem(error.name, "invalid", error.reason))
                continue
            if raw is not None:
                raw_values[variable.name] = raw
        return problems, raw_values


class _Attempt:
    """Makes the instance, again and again until every problem is known."""

    def __init__(
        self,
        root: Section,
        raw_values: Mapping[str, RawValue],
        texts: Mapping[str, RawValue],
        *,
        allow_env_file: bool,
    ) -> None:
        self._root, self._raw_values = root, raw_values
        self._texts = texts  # everything that pydantic may have read, for the secrets in it
        self._arguments: dict[str, Any] = {} if allow_env_file else {"_env_file": None}
        self.problems: list[Problem] = []

    def make(self) -> tuple[Any, list[Problem]]:
        """Return the instance, or all problems."""
        try:
            return self._root.kind(**self._arguments), []
        except (pydantic.ValidationError, pydantic_settings.SettingsError) as error:
            self._collect(self._root)
            if not self.problems:  # another thread has changed what was wrong
                self._note_failure(self._root, error)
        except Exception as error:  # noqa: BLE001 - the app's own validators may raise anything
            self._note_failure(self._root, error)
        return None, self.problems

    def _collect(self, section: Section) -> None:
        """Note the problems of a settings class, first of the classes that it makes itself."""
        known: dict[str, Any] = {}
        for member in section.members:
            if isinstance(member, Section) and _reads_itself(member):
                before = len(self.problems)
                self._collect(member)
                if len(self.problems) > before:
                    known[member.field] = member.kind.model_construct()
        for _ in section.members:
            try:
                section.kind(**self._arguments, **known)
            except pydantic.ValidationError as error:
                for each in error.errors(include_url=False):
                    self._note(section, each)
            except pydantic_settings.SettingsError as error:
                if self._set_aside(section, str(error)):
                    continue
                raise
            except Exception as error:  # noqa: BLE001 - as above
                self._note_failure(section, error)
            return

    def _set_aside(self, section: Section, message: str) -> bool:
        """Note a text that is not JSON, and remove it so that the rest can be validated."""
        named = _UNREADABLE.search(message)
        member = next((m for m in section.members if named and m.field == named[1]), None)
        if member is None:
            return False
        self._fail(member, 'is not JSON, such as ["a", "b"] or {"a": 1}')
        names = {member.name, *member.aliases} if isinstance(member, Variable) else member.names()
        gone = [name for name in os.environ if name in names or name.upper() in names]
        for name in gone:
            os.environ.pop(name)
        return bool(gone)

    def _note(self, section: Section, error: Any) -> None:
        member, rest = _member_at(section, error["loc"])
        if member is None:
            self._note_whole(section, error)
        elif error["type"] == "missing" and not rest:
            self._note_missing(member)
        else:
            where = "".join(f"[{step}]" for step in rest)
            self._fail(member, f"{where} {reason_of(error)}".strip())

    def _note_whole(self, section: Section, error: Any) -> None:
        if error["type"] == "extra_forbidden":
            name = str(error["loc"][0]).upper()
            meant = closest_match(name, self._root.names())
            what = f"did you mean {meant}?" if meant else "is not a variable of this class"
            self.problems.append(Problem(name, "unknown", what))
            return
        self._fail_whole(section, reason_of(error))

    def _note_failure(self, section: Section, error: Exception) -> None:
        self._fail_whole(section, describe_error(error, "cannot be made"))

    def _fail_whole(self, section: Section, reason: str) -> None:
        reason = scrub(reason, self._root, self._texts)
        name = section.kind.__name__
        self.problems.append(Problem(f"{section.prefix}*", "invalid", reason, name))

    def _note_missing(self, member: Variable | Section) -> None:
        wanted = [member] if isinstance(member, Variable) else list(member.variables())
        for variable in wanted:
            if variable.required and variable.name not in self._raw_values:
                self.problems.append(describe(self._root, variable, "missing", "required"))

    def _fail(self, member: Variable | Section, reason: str) -> None:
        if isinstance(member, Section):
            self.problems.append(Problem(member.aliases[0], "invalid", reason, "(JSON)"))
            return
        raw = self._raw_values.get(member.name)
        if raw is not None and not raw.text:
            self.problems.append(describe(self._root, member, "empty", "set but empty"))
            return
        if member.sensitive:
            what = f"is not a valid {member.parser.name}"
        else:
            shown = quote(member.name, raw.text, secret=False) if raw else ""
            what = f"{shown} {scrub(reason, self._root, self._texts)}".strip()
        self.problems.append(describe(self._root, member, "invalid", what))


def _texts(
    root: Section, environ: Mapping[str, str], raw_values: Mapping[str, RawValue]
) -> dict[str, RawValue]:
    """Return every text that may have become a variable's value, a line for each.

    These are the raw values, variables beside their file, and the parts of a section's JSON.
    """
    lines = {name: [raw.text] for name, raw in raw_values.items()}
    for variable in root.variables():
        texts = [environ[name] for name in (variable.name, *variable.aliases) if name in environ]
        lines.setdefault(variable.name, []).extend(texts)
    for section in root.sections():
        parts = [part for name in section.aliases for part in _parts(environ.get(name, ""))]
        for variable in section.variables() if parts else ():
            lines[variable.name] += parts
    return {name: RawValue("\n".join(texts), "") for name, texts in lines.items()}


def _parts(text: str) -> list[str]:
    """Return the texts in a JSON document; the text itself if it is not JSON."""
    try:
        left = [json.loads(text)]
    except (ValueError, RecursionError):
        return [text]
    texts: list[str] = []
    while left:
        each = left.pop()
        if isinstance(each, dict | list):
            left += each.values() if isinstance(each, dict) else each
        else:
            texts.append(str(each))
    return texts


def _section(kind: Any, field: str, prefix: str, aliases: tuple[str, ...]) -> Section:
    """Return a settings class with its own names."""
    members = tuple(
        _member(name, info, kind.model_config, prefix) for name, info in kind.model_fields.items()
    )
    return Section(kind, field, prefix, ADAPTER, members, aliases=aliases)


def _member(name: str, info: Any, config: Any, prefix: str) -> Variable | Section:
    """Return a field of a settings class, named by pydantic-settings' rules."""
    names = [_cased(each, config) for each in alias_names(info)]
    if not names or config.get("populate_by_name") or config.get("validate_by_name"):
        names.append(_cased(f"{prefix}{name}", config))
    model = _model(info.annotation)
    delimiter = config.get("env_nested_delimiter")
    if model is not None and hasattr(model, "settings_customise_sources") and _has_default(info):
        return _section(model, name, _cased(model.model_config.get("env_prefix", ""), config), ())
    if model is None or not delimiter:
        return _variable(name, info, names, decoded=bool(config.get("enable_decoding", True)))
    begin = names[0] + _cased(delimiter, config)
    inner = tuple(_member(n, i, config, begin) for n, i in model.model_fields.items())
    return Section(model, name, begin, ADAPTER, inner, _absent(info), tuple(names))


def _variable(name: str, info: Any, names: list[str], *, decoded: bool) -> Variable:
    declared = declared_of(info)
    json = decoded and _is_complex(info)
    parser = pydantic_parser(info, json=json)
    field = Field(name, info.annotation, declared, parser, aliases=tuple(names[1:]))
    return Variable(field, names[0], parser, declared.default)


def _absent(info: Any) -> Any:
    default = declared_of(info).default
    return None if default is None else default


def _is_complex(info: Any) -> bool:
    """Say whether pydantic-settings reads a field as JSON: collections and models."""
    if any(each is pydantic_settings.NoDecode for each in info.metadata):
        return False
    hint = info.annotation
    kinds = [each for each in get_args(hint) if each is not type(None)]
    for kind in kinds if is_optional(hint) else [hint]:
        origin = get_origin(kind) or kind
        if origin in (list, dict, tuple, set, frozenset) or hasattr(origin, "model_fields"):
            return True
    return False


def _model(hint: Any) -> Any:
    kinds = [each for each in get_args(hint) if each is not type(None)] or [hint]
    return kinds[0] if len(kinds) == 1 and hasattr(kinds[0], "model_fields") else None


def _has_default(info: Any) -> bool:
    return not info.is_required()


def _reads_itself(section: Section) -> bool:
    """Say whether a section is a settings class that its owner makes by its default."""
    return hasattr(section.kind, "settings_customise_sources") and not section.aliases


def _member_at(section: Section, loc: tuple[Any, ...]) -> tuple[Variable | Section | None, Any]:
    """Return the variable or section that an error is about, and the rest of its path."""
    here: Variable | Section | None = None
    for index, step in enumerate(loc):
        within = section if here is None else here
        if isinstance(within, Variable):
            return here, loc[index:]
        member = next((each for each in within.members if _is_called(each, str(step))), None)
        if member is None:
            return here, loc[index:]
        here = member
    return here, ()


def _is_called(member: Variable | Section, step: str) -> bool:
    names = member.aliases if isinstance(member, Section) else (member.name, *member.aliases)
    return member.field == step or step.upper() in {name.upper() for name in names}


def _cased(name: str, config: Any) -> str:
    return name if config.get("case_sensitive") else name.upper()


def _paths(value: Any) -> tuple[str, ...]:
    if not value:
        return ()
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


_one_at_a_time: Final = threading.RLock()


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Make `wanted` the process's environment in the block: pydantic-settings reads no other.

    Only what differs is changed: other threads read the environment too.
    """
    with _one_at_a_time:
        before = dict(os.environ)
        _become(wanted)
        try:
            yield
        finally:
            _become(before)


def _become(wanted: Mapping[str, str]) -> None:
    now = dict(os.environ)
    for name in now.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update({name: text for name, text in wanted.items() if now.get(name) != text})
