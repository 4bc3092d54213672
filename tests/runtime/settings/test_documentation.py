"""What the source says about a field becomes its documentation."""

from __future__ import annotations

import podready
from podready.runtime.settings.documentation import docs_of, field_docs


class Base(podready.Settings):
    inherited: int = 1  # from the base


class Told(Base):
    said: int = podready.var(default=1, doc="by doc")  # not this
    beside: int = 1  # on its line
    below: int = 1
    """In the docstring below it,
    over two lines."""
    #: above it,
    # on two lines
    above: int = 1
    silent: int = 1

    for_tools: int = 1  # pragma: no cover
    long: int = podready.var(
        default=1,
    )  # at its end


class Outer(podready.Settings):
    inner: Told


def test_docstrings_comments_and_doc() -> None:
    """`doc=` first, then the docstring, then the comment beside, then the one above."""
    assert docs_of(Told.schema().section) == {
        "INHERITED": "from the base",
        "SAID": "by doc",
        "BESIDE": "on its line",
        "BELOW": "In the docstring below it, over two lines.",
        "ABOVE": "above it, on two lines",
        "LONG": "at its end",
    }


def test_sections_are_documented_where_they_are_written() -> None:
    """By the names that their variables have here."""
    assert docs_of(Outer.schema().section)["INNER_BESIDE"] == "on its line"


def test_a_class_without_source_has_no_documentation() -> None:
    """Made in an interpreter or by exec: no error."""
    space: dict[str, type] = {"podready": podready}  # type: ignore[dict-item]
    exec("class Bare(podready.Settings):\n    a: int = 1  # lost", space)
    assert field_docs(space["Bare"]) == {}
