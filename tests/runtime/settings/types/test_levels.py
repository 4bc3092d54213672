"""Log levels of settings agree with those of the logs."""

from __future__ import annotations

import logging

import pytest

from podready.runtime.settings.types.levels import LogLevel, parse_level


@pytest.mark.parametrize(
    ("text", "level"),
    [("info", 20), ("WARN", 30), ("Warning", 30), ("fatal", 50), (" debug ", 10), ("40", 40)],
)
def test_names_aliases_and_numbers(text: str, level: int) -> None:
    """In any case."""
    assert parse_level(text) == level


def test_what_is_no_level_is_refused_with_the_choice() -> None:
    """The message lists the names."""
    with pytest.raises(ValueError, match="use debug, info, notice"):
        parse_level("loud")


def test_the_numbers_are_the_standard_librarys() -> None:
    """logging takes a LogLevel as it is."""
    for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        assert getattr(logging, name) == LogLevel[name]
    logger = logging.getLogger("test_levels")
    logger.setLevel(LogLevel.ERROR)
    assert logger.level == logging.ERROR
    logger.setLevel(logging.NOTSET)
