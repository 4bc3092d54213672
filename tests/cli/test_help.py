"""Help pages and mistakes look the same in `podready run` and in the click commands."""

from __future__ import annotations

import subprocess
import sys

import pytest

from podready.cli.main import TOOLS, run_cli

COMMANDS = ["", "run", *TOOLS]
WITHOUT_EXTRA = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"aiohttp", "lightkube", "ruamel", "rich", "jinja2", "httpx"}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
from podready.cli.main import run_cli
sys.exit(run_cli(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_page_has_one_form(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A usage line, headings in lower case, examples, exit codes, and no line over 100."""
    assert run_cli([*command.split(), "--help"]) == 0
    page = capsys.readouterr().out
    lines = page.splitlines()
    assert lines[0].startswith(f"usage: podready {command}".rstrip())
    assert max(map(len, lines)) <= 100
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert {"examples:", "exit codes:"} <= set(headings)
    assert page.lower().count("usage:") == 1
    assert all(heading == heading.lower() for heading in headings)


def test_the_options_of_run_are_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    """Six headings, and switches with both of their forms."""
    assert run_cli(["run", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    groups = ["app:", "listen:", "probes:", "stop:", "workers:", "logs:"]
    assert [line for line in lines if line in groups] == groups
    assert any(line.startswith("  --access-log/--no-access-log ") for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_extra(command: str) -> None:
    """Who decides whether to install it can read first what it does."""
    words = [sys.executable, "-c", WITHOUT_EXTRA, *command.split(), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: podready")


def test_without_the_extra_a_rehearsal_says_how_to_get_it() -> None:
    """Only the help does without."""
    words = [sys.executable, "-c", WITHOUT_EXTRA, "rehearse", "examples/hello"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'podready[rehearse]'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("fly", "podready has no command 'fly'; see podready --help"),
        ("rehears .", "podready has no command 'rehears'; did you mean podready rehearse?"),
        ("main:app", "podready has no command 'main:app'; did you mean podready run main:app?"),
        ("--nope", "podready has no option --nope; see podready --help"),
        ("run", "podready run needs the app: say podready run main:app"),
        ("run a:b --nope", "podready run has no option --nope; see podready run --help"),
        ("rehearse --nope", "podready rehearse has no option --nope; see podready rehearse --help"),
        ("rehearse --scenari x", "podready rehearse has no option --scenari; did you mean --scen"),
        ("rehearse --rounds x", "--rounds: 'x' is not a valid whole number"),
        ("rehearse --endpoint-lag x", "--endpoint-lag: 'x' is not a duration such as"),
        ("settings", "podready settings: missing argument 'MODULE:CLASS'; see podready settings"),
        ("rehearse --out", "podready rehearse: option '--out' requires an argument; see podready"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, with exit code 2, and nothing else."""
    assert run_cli(arguments.split()) == 2
    output = capsys.readouterr()
    assert output.err.startswith(f"podready: {sentence}")
    assert output.err.count("\n") == 1
    assert output.out == ""
