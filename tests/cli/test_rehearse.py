"""The command around the rehearsal: options, views, reports and exit codes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from podready.cli.main import run_cli
from podready.cli.rehearse_options import RehearseOptions
from podready.cli.rehearse_run import _report, _tcp_target
from podready.cli.rehearse_view import LiveView, PlainView, open_view
from podready.errors import UsageError
from podready.rehearse.load.plan import TcpTarget
from podready.rehearse.rehearsal import Snapshot
from podready.rehearse.result import Cause, RehearsalResult, ScenarioResult, Verdict
from podready.rehearse.result_json import from_json

CAUSE = Cause("keep-alive-race", 3, "An idle connection was closed", "Say close.", "3 closed.")


def a_result(verdict: Verdict, dropped: int = 0) -> RehearsalResult:
    """Return a rehearsal with one scenario."""
    scenario = ScenarioResult(
        name="rolling-update",
        title="Rolling update",
        sent=1000,
        dropped=dropped,
        p50_ms=1.0,
        p99_ms=2.0,
        max_ms=3.0,
        seconds=10.0,
        rollouts=1,
        causes=(CAUSE,) if dropped else (),
        inconclusive="the generator lagged" if verdict is Verdict.INCONCLUSIVE else "",
    )
    return RehearsalResult(verdict, 1000, dropped, 10.0, (scenario,), "web", {"replay": ""}, {})


def options(out: Path, *, as_json: bool = False) -> RehearseOptions:
    """Return options that write into `out`."""
    return RehearseOptions((), 300, 1, 1.0, 60.0, "auto", 3, out, 0, as_json, None, "")


def test_ready_ends_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line says it all; both files are there; exit 0."""
    assert _report(a_result(Verdict.READY), options(tmp_path / "new")) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        "READY  0 of 1,000 requests dropped · uncovered gap < 10 ms (95 %) · report: "
        f"{tmp_path}/new/report.html"
    )
    assert {p.name for p in (tmp_path / "new").iterdir()} == {"report.html", "report.json"}


def test_not_ready_names_cause_and_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict, then why, then what to do; exit 1."""
    assert _report(a_result(Verdict.NOT_READY, dropped=3), options(tmp_path)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("NOT READY  3 of 1,000 requests dropped")
    assert lines[1:] == ["3 lost: An idle connection was closed. 3 closed.", "  Fix: Say close."]


def test_inconclusive_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Never a pass: exit 3."""
    assert _report(a_result(Verdict.INCONCLUSIVE), options(tmp_path)) == 3
    assert "the generator lagged" in capsys.readouterr().out


def test_json_is_the_only_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts: standard output is the report and nothing else."""
    _report(a_result(Verdict.READY), options(tmp_path, as_json=True))
    assert from_json(capsys.readouterr().out).sent == 1000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["/nope"], "/nope: no such folder"),
        ([".", "--scenario", "rolback"], "did you mean 'rollback'?"),
        ([".", "--endpoint-lag", "soon"], "is not a duration such as 500ms"),
        ([".", "--rps", "0"], "not in the range"),
        ([".", "--kubeconfig", "x"], "belong together"),
        ([".", "--target", "x:1", "--kubeconfig", "/nope"], "not a usable kubeconfig"),
        (["."], "has no manifests"),
    ],
)
def test_usage_errors(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One sentence on standard error, no traceback, exit 2."""
    monkeypatch.chdir(tmp_path)
    assert run_cli(["rehearse", *arguments]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "Traceback" not in err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """Every option, the exit codes, and something to copy."""
    assert run_cli(["rehearse", "--help"]) == 0
    out = capsys.readouterr().out
    for words in ("--endpoint-lag", "--scenario", "examples:", "exit codes:"):
        assert words in out


def test_target_address() -> None:
    """HOST:PORT and nothing else."""
    assert _tcp_target("10.0.0.7:80") == TcpTarget("10.0.0.7", 80)
    with pytest.raises(UsageError, match="HOST:PORT"):
        _tcp_target("10.0.0.7")


SNAPSHOT = Snapshot("Rolling update", 1234, 5, "3 ready", 1.5, 20.0)


def test_plain_view_prints_counts_only_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """A CI log shows life without being flooded."""
    view = PlainView()
    view.log("applied Service web")
    for _ in range(10):
        view.show(SNAPSHOT)
    view.show(replace(SNAPSHOT, sent=0))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("applied Service web")
    assert "1,234 sent, 5 dropped" in lines[1]


def test_output_that_is_no_terminal_gets_plain_lines() -> None:
    """Pipes and files: no escape sequences."""
    with open_view(to_stderr=False) as view:
        assert isinstance(view, PlainView)


def test_live_view_shows_counts_and_escapes_markup() -> None:
    """What a pod or scenario is called is never taken for a colour."""
    from rich.console import Console

    console = Console(record=True, width=120, force_terminal=True)
    view = LiveView(console)
    view.log("applied [red]Service[/red]")
    view.show(replace(SNAPSHOT, pods="[3 ready]"))
    console.print(view._render())
    text = console.export_text()
    assert "applied [red]Service[/red]" in text
    assert "1,234 sent" in text
    assert "5 dropped" in text
    assert "[3 ready]" in text


_WITHOUT_EXTRA = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"aiohttp", "jinja2", "lightkube", "rich", "ruamel"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from podready.cli.main import run_cli
sys.exit(run_cli(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["rehearse", "--help"], 0, "--endpoint-lag"),
        (["rehearse", "."], 2, "`podready rehearse` needs the 'rehearse' extra: pip install"),
    ],
)
def test_the_help_needs_no_extra(
    tmp_path: Path, arguments: list[str], code: int, text: str
) -> None:
    """Who has installed podready alone can read what a rehearsal is, and how to install it."""
    command = [sys.executable, "-c", _WITHOUT_EXTRA, *arguments]
    (tmp_path / "podready.toml").write_text('name = "web"\n')
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, text in done.stdout + done.stderr) == (code, True)
    assert "Traceback" not in done.stderr
