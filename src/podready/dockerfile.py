"""What a Dockerfile says about running its image: the configuration of its final stage.

Instructions are read as BuildKit reads them (docs.docker.com/reference/dockerfile): comments,
line continuations, here-documents, ARG and ENV expansion, and stages built on earlier stages of
the same file. Nothing is built: RUN is skipped, and what a base image from elsewhere sets is
unknown, except the usual PATH, and that Python's own images set `CMD ["python3"]`.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from podready.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What base images set, and what container runtimes give an image that sets no PATH."""

_DEFAULT_SHELL: Final = ("/bin/sh", "-c")
_INSTRUCTIONS: Final = frozenset(
    [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ]
)
_HEREDOC: Final = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\1")
_ESCAPE: Final = re.compile(r"#\s*escape\s*=\s*([\\`])\s*$", re.IGNORECASE)
_DIRECTIVE: Final = re.compile(r"#\s*[A-Za-z]+\s*=")
_VARIABLE: Final = re.compile(
    r"\\(?P<escaped>.)|\$(?:(?P<name>[A-Za-z_]\w*)|"
    r"\{(?P<braced>[A-Za-z_]\w*)(?::?(?P<operator>[-+?])(?P<word>[^}]*))?\})"
)
_FLAG: Final = re.compile(r"--([a-z]+)(?:=(\S+))?\s+")


@dataclass(frozen=True, slots=True)
class Copy:
    """One COPY or ADD of the project's files: `sources` relative to it, `target` absolute."""

    sources: tuple[str, ...]
    target: str


@dataclass(frozen=True, slots=True)
class Image:
    """How a container of the image starts, runs and stops.

    `entrypoint` and `cmd` are argument lists, shell form included as `/bin/sh -c …`;
    `base` is the image that the final stage comes from in the end; `line` is where the command
    is, for messages.
    """

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    stop_signal: str = ""
    user: str = ""
    ports: tuple[int, ...] = ()
    copies: tuple[Copy, ...] = ()
    base: str = ""
    file: str = ""
    line: int = 0

    @property
    def argv(self) -> tuple[str, ...]:
        """Return what is executed when the pod gives neither command nor args."""
        return self.entrypoint + self.cmd


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction with all its lines joined; `line` is where it begins."""

    name: str
    value: str
    line: int


def read_image(path: Path, target: str = "") -> Image:
    """Return the image that the Dockerfile at `path` describes.

    `target` names a stage, as `docker build --target` does; the last one by default.
    ManifestError, with file and line, when the file is missing or wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"the Dockerfile cannot be read: {error}", file=str(path)) from error
    return parse_image(text, file=str(path), target=target)


def parse_image(text: str, *, file: str = "Dockerfile", target: str = "") -> Image:
    """Return the image that the text of a Dockerfile describes; see `read_image`."""
    build = _Build(file)
    for instruction in instructions(text, file):
        build.take(instruction)
    return build.result(target)


def instructions(text: str, file: str = "Dockerfile") -> Iterator[Instruction]:
    """Yield the instructions of a Dockerfile in their order."""
    lines = iter(enumerate(text.splitlines(), start=1))
    escape = _escape_character(text)
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole = _joined(line, lines, escape)
        name, _, value = whole.strip().partition(" ")
        if name.upper() not in _INSTRUCTIONS:
            raise ManifestError(f"unknown instruction {name!r}", file=file, line=number)
        if name.upper() in ("RUN", "COPY", "ADD"):
            _skip_heredocs(value, lines, file, number)
        if not value.strip():
            raise ManifestError(f"{name.upper()} needs an argument", file=file, line=number)
        yield Instruction(name.upper(), value.strip(), number)


def _escape_character(text: str) -> str:
    """Return the line-continuation character: a directive in the first lines may change it."""
    for line in text.splitlines():
        if found := _ESCAPE.match(line):
            return found[1]
        if not _DIRECTIVE.match(line):
            break
    return "\\"


def _joined(line: str, lines: Iterator[tuple[int, str]], escape: str) -> str:
    """Return a line with its continuations; comments and empty lines among them vanish."""
    parts = []
    while line.rstrip().endswith(escape):
        parts.append(line.rstrip()[:-1])
        line = next(
            (text for _, text in lines if text.strip() and not text.lstrip().startswith("#")), ""
        )
    return re.sub(r"\t", " ", "".join([*parts, line]))


def _skip_heredocs(value: str, lines: Iterator[tuple[int, str]], file: str, number: int) -> None:
    """Read past the bodies of here-documents, which are file contents or shell."""
    for found in _HEREDOC.finditer(value):
        if not any(line.strip() == found[2] for _, line in lines):
            raise ManifestError(f"the here-document {found[2]} has no end", file=file, line=number)


@dataclass(frozen=True, slots=True)
class _Stage:
    """A stage under way: the image so far and what only the building needs."""

    image: Image
    name: str = ""
    shell: tuple[str, ...] = _DEFAULT_SHELL
    args: Mapping[str, str] = field(default_factory=dict)
    has_cmd: bool = False


class _Build:
    """Takes instructions one by one; each kind has a method that returns the changed stage."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._global_args: dict[str, str] = {}
        self._stages: list[_Stage] = []

    def take(self, instruction: Instruction) -> None:
        """Apply one instruction to the present stage."""
        if instruction.name == "FROM":
            self._stages.append(self._from(instruction))
            return
        if not self._stages:
            if instruction.name != "ARG":
                raise self._error(instruction, "the first instruction must be FROM")
            self._global_args.update(self._argument(instruction, self._global_args))
            return
        change = getattr(self, "_" + instruction.name.lower(), None)
        if change:
            self._stages[-1] = change(self._stages[-1], instruction)

    def result(self, target: str) -> Image:
        """Return the image of the stage `target`, or of the last one."""
        wanted = [stage for stage in self._stages if not target or stage.name == target.lower()]
        if not wanted:
            what = f"no stage is called {target!r}" if target else "there is no FROM"
            raise ManifestError(what, file=self._file)
        return wanted[-1].image

    def _from(self, at: Instruction) -> _Stage:
        words = _without_flags(at.value)[1].split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            raise self._error(at, "FROM must read `FROM image` or `FROM image AS name`")
        base = expand(words[0], self._global_args)
        name = words[2].lower() if len(words) == 3 else ""
        for stage in self._stages:
            if stage.name and stage.name == base.lower():
                return replace(stage, name=name, args={}, has_cmd=False)
        python = posixpath.basename(re.split("[:@]", base)[0]) == "python"
        cmd = ("python3",) if python else ()
        env = {} if base == "scratch" else {"PATH": DEFAULT_PATH}
        return _Stage(Image(cmd=cmd, env=env, base=base, file=self._file, line=at.line), name)

    def _arg(self, stage: _Stage, at: Instruction) -> _Stage:
        args = dict(stage.args)
        for name, value in self._argument(at, _scope(stage)).items():
            args[name] = self._global_args.get(name, value) if "=" not in at.value else value
        return replace(stage, args=args)

    def _argument(self, at: Instruction, scope: Mapping[str, str]) -> dict[str, str]:
        pairs = (word.partition("=") for word in self._words(at))
        return {name: expand(value, scope) for name, _, value in pairs}

    def _env(self, stage: _Stage, at: Instruction) -> _Stage:
        scope = _scope(stage)
        return self._with(stage, env={**stage.image.env, **self._pairs(at, scope)})

    def _pairs(self, at: Instruction, scope: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of `ENV a=b c="d e"`, or of the old form `ENV a b c`."""
        first, _, rest = at.value.partition(" ")
        if "=" not in first:
            if not rest:
                raise self._error(at, f"ENV {first} has no value")
            return {first: expand(rest.strip(), scope)}
        pairs = {}
        for word in _split_quoted(at.value):
            name, equals, value = word.partition("=")
            if not equals:
                raise self._error(at, f"ENV: {word!r} is not of the form name=value")
            pairs[name] = _unquoted(value, scope)
        return pairs

    def _workdir(self, stage: _Stage, at: Instruction) -> _Stage:
        path = _unquoted(at.value, _scope(stage))
        return self._with(stage, workdir=posixpath.normpath(posixpath.join(_dir(stage), path)))

    def _user(self, stage: _Stage, at: Instruction) -> _Stage:
        return self._with(stage, user=_unquoted(at.value, _scope(stage)))

    def _stopsignal(self, stage: _Stage, at: Instruction) -> _Stage:
        return self._with(stage, stop_signal=_unquoted(at.value, _scope(stage)).upper())

    def _expose(self, stage: _Stage, at: Instruction) -> _Stage:
        ports = list(stage.image.ports)
        for word in _unquoted(at.value, _scope(stage)).split():
            first, _, last = word.partition("/")[0].partition("-")
            if not first.isdigit() or (last and not last.isdigit()):
                raise self._error(at, f"EXPOSE: {word!r} is not a port")
            ports.extend(range(int(first), int(last or first) + 1))
        return self._with(stage, ports=tuple(ports))

    def _shell(self, stage: _Stage, at: Instruction) -> _Stage:
        words = _json_words(at.value)
        if not words:
            raise self._error(at, 'SHELL must be a JSON list, such as ["/bin/bash", "-c"]')
        return replace(stage, shell=words)

    def _cmd(self, stage: _Stage, at: Instruction) -> _Stage:
        changed = self._with(stage, cmd=self._command(stage, at), line=at.line)
        return replace(changed, has_cmd=True)

    def _entrypoint(self, stage: _Stage, at: Instruction) -> _Stage:
        # A CMD that was inherited, not set in this stage, does not outlive a new ENTRYPOINT.
        cmd = stage.image.cmd if stage.has_cmd else ()
        return self._with(stage, entrypoint=self._command(stage, at), cmd=cmd, line=at.line)

    def _command(self, stage: _Stage, at: Instruction) -> tuple[str, ...]:
        words = _json_words(at.value)
        return (*stage.shell, at.value) if words is None else words

    def _copy(self, stage: _Stage, at: Instruction) -> _Stage:
        flags, rest = _without_flags(at.value)
        words = _json_words(rest) or tuple(self._words(replace(at, value=rest)))
        if "from" in flags or _HEREDOC.search(rest):
            return stage
        if len(words) < 2:
            raise self._error(at, f"{at.name} needs a source and a destination")
        *sources, last = (expand(word, _scope(stage)) for word in words)
        target = posixpath.normpath(posixpath.join(_dir(stage), last))
        local = tuple(source for source in sources if "://" not in source)
        if len(local) == 1 and last.endswith("/") and "." in posixpath.basename(local[0]):
            target = posixpath.join(target, posixpath.basename(local[0]))
        return self._with(stage, copies=(*stage.image.copies, Copy(local, target)))

    _add = _copy

    def _words(self, at: Instruction) -> list[str]:
        try:
            return shlex.split(at.value)
        except ValueError as error:
            raise self._error(at, f"{at.name}: {error}") from error

    def _with(self, stage: _Stage, **changes: object) -> _Stage:
        return replace(stage, image=replace(stage.image, **changes))  # type: ignore[arg-type]

    def _error(self, at: Instruction, message: str) -> ManifestError:
        return ManifestError(message, file=self._file, line=at.line)


def expand(text: str, scope: Mapping[str, str]) -> str:
    """Replace `$NAME`, `${NAME}`, `${NAME:-word}` and `${NAME:+word}`; `\\$` stays a dollar."""

    def value(found: re.Match[str]) -> str:
        if found["escaped"]:
            return found["escaped"] if found["escaped"] in "$\\\"'" else found[0]
        known = scope.get(found["name"] or found["braced"], "")
        word = expand(found["word"] or "", scope)
        if found["operator"] == "-":
            return known or word
        if found["operator"] == "+":
            return word if known else ""
        return known

    return _VARIABLE.sub(value, text)


def _scope(stage: _Stage) -> dict[str, str]:
    """Return what a `$NAME` may mean: build arguments, then the environment over them."""
    return {**stage.args, **stage.image.env}


def _dir(stage: _Stage) -> str:
    return stage.image.workdir


def _without_flags(value: str) -> tuple[dict[str, str], str]:
    """Split off leading `--flag=value` words."""
    flags = {}
    while found := _FLAG.match(value):
        flags[found[1]] = found[2] or ""
        value = value[found.end() :]
    return flags, value


def _json_words(value: str) -> tuple[str, ...] | None:
    """Return the words of exec form, or None: BuildKit takes a broken list as shell form too."""
    try:
        words = json.loads(value)
    except ValueError:
        return None
    if isinstance(words, list) and all(isinstance(word, str) for word in words):
        return tuple(words)
    return None


def _split_quoted(text: str) -> list[str]:
    """Split at spaces outside quotes; quotes and backslashes stay for `_unquoted`."""
    pattern = r"(?:\\.|\"(?:\\.|[^\"\\])*\"|'[^']*'|[^\s\"'\\])+"
    return re.findall(pattern, text)


def _unquoted(text: str, scope: Mapping[str, str]) -> str:
    """Return a word's value: expanded outside single quotes, without its quotes."""
    parts = re.findall(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|(?:\\.|[^\"'\\])+", text)
    values = []
    for part in parts:
        if part[0] == "'":
            values.append(part[1:-1])
        elif part[0] == '"':
            values.append(expand(part[1:-1], scope))
        else:
            values.append(re.sub(r"\\([ \t])", r"\1", expand(part, scope)))
    return "".join(values)
