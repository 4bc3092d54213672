"""Sampling: of equal lines the first ones, then every nth; errors are only held at a rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from podready.runtime.logs.sampling import ERRORS_A_SECOND, Sampler, SamplingRule, parse_rule

if TYPE_CHECKING:
    from .conftest import Events


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give a clock that stands still; its only item is the time."""
    now = [1000.0]
    monkeypatch.setattr("podready.runtime.logs.sampling.time.monotonic", lambda: now[0])
    return now


def test_the_first_ones_pass_then_every_nth(clock: list[float]) -> None:
    """As zap's sampler counts."""
    sampler = Sampler(SamplingRule(3, 4))
    passed = [n for n in range(1, 16) if sampler.passes(20, "shop", "hello") >= 0]
    assert passed == [1, 2, 3, 7, 11, 15]


def test_the_next_line_that_passes_says_how_many_did_not(clock: list[float]) -> None:
    """Nothing vanishes without a number."""
    sampler = Sampler(SamplingRule(1, 3))
    assert [sampler.passes(20, "shop", "x") for _ in range(4)] == [0, -1, -1, 2]
    assert sampler.passes(20, "shop", "x") == -1
    clock[0] += 1
    assert sampler.passes(20, "shop", "x") == 1


def test_lines_differ_by_level_logger_and_template(clock: list[float]) -> None:
    """One noisy line silences no other."""
    sampler = Sampler(SamplingRule(1, 1_000_000))
    lines = [(20, "a", "x"), (30, "a", "x"), (20, "b", "x"), (20, "a", "y")]
    assert [sampler.passes(*line) for line in lines] == [0, 0, 0, 0]
    assert [sampler.passes(*line) for line in lines] == [-1, -1, -1, -1]


def test_errors_are_held_at_a_rate_only(clock: list[float]) -> None:
    """A thousand equal errors a second pass, whatever the rule."""
    sampler = Sampler(SamplingRule(1, 1_000_000))
    passed = sum(sampler.passes(40, "shop", "boom") >= 0 for _ in range(ERRORS_A_SECOND + 500))
    assert passed == ERRORS_A_SECOND
    clock[0] += 1
    assert sampler.passes(40, "shop", "boom") == 500


def test_the_table_is_bounded(clock: list[float]) -> None:
    """More kinds of lines than it holds pass unsampled."""
    sampler = Sampler(SamplingRule(1, 1_000_000))
    for number in range(10_000):
        assert sampler.passes(20, "shop", number) == 0
    assert len(sampler._counts) <= 4096
    assert sampler.passes(20, "shop", 9_999) == 0


@pytest.mark.parametrize(
    ("text", "rule"), [("off", None), ("", None), ("10/5", SamplingRule(10, 5))]
)
def test_rules(text: str, rule: SamplingRule | None) -> None:
    """FIRST/THEREAFTER, or off."""
    assert parse_rule(text) == rule


@pytest.mark.parametrize("text", ["10", "0/1", "1/0", "a/b", "-1/2"])
def test_rules_that_are_none(text: str) -> None:
    """The sentence shows one."""
    with pytest.raises(ValueError, match="such as 100/100"):
        parse_rule(text)


@pytest.mark.slow
def test_a_process_samples_only_when_told_to(events: Events) -> None:
    """All 300 by default; 100 and every hundredth with 100/100, the template being what counts."""
    code = "for n in range(300): log.info('line %d', n)"
    assert len(events(code)) == 300
    found = events(code, PODREADY_LOG_SAMPLE="100/100")
    assert 102 <= len(found) < 300  # the second may turn over in between
    assert sum(event.get("suppressed", 0) for event in found) > 0


def test_a_template_that_has_no_text_is_counted_all_the_same(clock: list[float]) -> None:
    """A failing __str__ is the app's, and no reason to raise."""

    class Bad:
        def __str__(self) -> str:
            raise RuntimeError

    sampler = Sampler(SamplingRule(1, 1_000_000))
    assert [sampler.passes(20, "shop", Bad()) for _ in range(2)] == [0, -1]
