"""Reading the final stage of a Dockerfile."""

from __future__ import annotations

from pathlib import Path

import pytest

from podready.dockerfile import DEFAULT_PATH, Copy, Image, parse_image, read_image
from podready.errors import ManifestError

MULTI_STAGE = """\
# syntax=docker/dockerfile:1
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml uv.lock ./
RUN <<EOF
pip install .
CMD ["not", "an", "instruction"]
EOF
ENV ONLY_HERE=1

FROM python:${PYTHON}-slim
ENV PATH=/venv/bin:$PATH \\
    # a comment among continuations
    GREETING="hello world" \\
    EMPTY=
WORKDIR /app
COPY --from=build /venv /venv
COPY --chown=65532:65532 . .
USER 65532:65532
EXPOSE 3000 9000/tcp
STOPSIGNAL sigint
ENTRYPOINT ["podready"]
CMD ["run", "hello:app"]
"""


def test_final_stage_of_a_multi_stage_file() -> None:
    """Only the last stage counts: its environment, user, ports, signal and exec-form command."""
    image = parse_image(MULTI_STAGE)

    assert image.argv == ("podready", "run", "hello:app")
    assert image.env == {
        "PATH": f"/venv/bin:{DEFAULT_PATH}",
        "GREETING": "hello world",
        "EMPTY": "",
    }
    assert (image.workdir, image.user, image.stop_signal) == ("/app", "65532:65532", "SIGINT")
    assert image.ports == (3000, 9000)
    assert image.copies == (Copy((".",), "/app"),)
    assert image.base == "python:3.12-slim"
    assert image.line == 24


def test_an_earlier_stage_can_be_the_target() -> None:
    """`--target build` stops at the stage of that name."""
    image = parse_image(MULTI_STAGE, target="build")

    assert (image.workdir, image.env) == ("/src", {"PATH": DEFAULT_PATH, "ONLY_HERE": "1"})
    assert image.cmd == ("python3",)


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("CMD uvicorn app:app --port $PORT", ("/bin/sh", "-c", "uvicorn app:app --port $PORT")),
        ('CMD ["a", "b"]', ("a", "b")),
        ("CMD ['a', 'b']", ("/bin/sh", "-c", "['a', 'b']")),
        ('ENTRYPOINT ["tini", "--"]\nCMD ["a"]', ("tini", "--", "a")),
        ('CMD ["a"]\nENTRYPOINT ["tini", "--"]', ("tini", "--", "a")),
        ("ENTRYPOINT exec app", ("/bin/sh", "-c", "exec app")),
        ('SHELL ["/bin/bash", "-euc"]\nCMD a', ("/bin/bash", "-euc", "a")),
        ("CMD []", ()),
        ("cmd a \\\n\n  b", ("/bin/sh", "-c", "a   b")),
    ],
)
def test_commands(text: str, argv: tuple[str, ...]) -> None:
    """Shell form runs under the SHELL, exec form as it is; single quotes make it shell form."""
    assert parse_image(f"FROM scratch\n{text}\n").argv == argv


def test_entrypoint_drops_the_command_of_the_base() -> None:
    """An ENTRYPOINT of our own makes the base image's CMD meaningless, so BuildKit drops it."""
    text = 'FROM python:3 AS base\nCMD ["x"]\nFROM base\nENTRYPOINT ["y"]\n'

    assert parse_image(text).argv == ("y",)


def test_a_stage_inherits_from_a_stage_of_the_same_file() -> None:
    """`FROM base` takes over environment, directory, user and command, but not ARGs."""
    image = parse_image(
        'FROM python:3 AS Base\nARG SECRET=1\nENV A=1\nWORKDIR /a\nUSER 7\nCMD ["x"]\n'
        "FROM base\nENV B=${A}2 C=$SECRET\nWORKDIR b\n"
    )

    assert image.env == {"PATH": DEFAULT_PATH, "A": "1", "B": "12", "C": ""}
    assert (image.workdir, image.user, image.cmd) == ("/a/b", "7", ("x",))


@pytest.mark.parametrize(
    ("line", "env"),
    [
        ("ENV A=1 B='$A' C=\"$A b\"", {"A": "1", "B": "$A", "C": " b"}),
        ("ENV A b c", {"A": "b c"}),
        ("ENV A=a\\ b", {"A": "a b"}),
        ("ENV A=${X:-y} B=${X:+z} C=\\$X", {"A": "y", "B": "", "C": "$X"}),
        ("ARG X=1\nENV A=${X:-y} B=${X:+z}", {"A": "1", "B": "z"}),
        ("ARG TOP\nENV A=$TOP", {"A": "global"}),
        ("ENV A=x\nENV A=y B=$A", {"A": "y", "B": "x"}),
        ("ENV\tA=tab", {"A": "tab"}),
    ],
)
def test_environment(line: str, env: dict[str, str]) -> None:
    """Both forms of ENV, quotes, escapes, defaults; a line sees only what stood before it."""
    assert parse_image(f"ARG TOP=global\nFROM scratch\n{line}\n").env == env


def test_copies_of_single_files_and_directories() -> None:
    """A file copied to a directory keeps its name; a file copied to a path gets that name."""
    text = """\
FROM scratch
WORKDIR /app
COPY src/main.py ./
ADD etc/a.toml /etc/b.toml
COPY app /srv/app/
"""

    assert parse_image(text).copies == (
        Copy(("src/main.py",), "/app/main.py"),
        Copy(("etc/a.toml",), "/etc/b.toml"),
        Copy(("app",), "/srv/app"),
    )


def test_escape_directive() -> None:
    """A backtick may continue lines, as in Dockerfiles for Windows."""
    assert parse_image("# escape=`\nFROM scratch\nCMD a `\n b\n").cmd[2] == "a  b"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("FROM scratch\nCMDX a\n", 2, "unknown instruction 'CMDX'"),
        ("CMD a\n", 1, "first instruction must be FROM"),
        ("FROM a b\n", 1, "FROM must read"),
        ("FROM scratch\n\nENV A\n", 3, "ENV A has no value"),
        ("FROM scratch\nENV A=1 B\n", 2, "not of the form name=value"),
        ("FROM scratch\nEXPOSE http\n", 2, "not a port"),
        ("FROM scratch\nSHELL bash\n", 2, "SHELL must be a JSON list"),
        ("FROM scratch\nRUN <<EOF\nno end\n", 2, "here-document EOF has no end"),
        ("FROM scratch\nWORKDIR\n", 2, "WORKDIR needs an argument"),
        ("FROM scratch\nCOPY a\n", 2, "needs a source and a destination"),
        ("FROM scratch\nCOPY 'a b\n", 2, "No closing quotation"),
    ],
)
def test_mistakes_name_file_and_line(text: str, line: int, message: str) -> None:
    """A mistake is told with the place where it is."""
    with pytest.raises(ManifestError, match=message) as caught:
        parse_image(text, file="x/Dockerfile")

    assert str(caught.value).startswith(f"x/Dockerfile:{line}: ")


def test_no_stage_and_no_file(tmp_path: Path) -> None:
    """An empty file, an unknown target and a missing file are told as such."""
    with pytest.raises(ManifestError, match="no FROM"):
        parse_image("# nothing\n")
    with pytest.raises(ManifestError, match="no stage is called 'x'"):
        parse_image("FROM scratch\n", target="x")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_image(tmp_path / "Dockerfile")


def test_reads_a_file(tmp_path: Path) -> None:
    """`read_image` is `parse_image` of a file."""
    path = tmp_path / "Dockerfile"
    path.write_text("FROM scratch\n")

    assert read_image(path) == Image(base="scratch", file=str(path), line=1)
