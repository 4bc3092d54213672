"""The reference of settings is held against the code: what drifts is red."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import podready
from podready.runtime.settings.report import _SENSITIVE
from podready.runtime.settings.types.importable import _TYPES

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"
TEXT = PAGE.read_text(encoding="utf-8")


def rows(header: str) -> dict[str, str]:
    """Return the first two cells of each row of the table with this header."""
    table = TEXT.split(f"{header}\n")[1].split("\n\n")[0].splitlines()[1:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in table]
    return {row[0].strip("`"): row[1] for row in cells}


def test_every_option_of_a_class_is_in_the_reference() -> None:
    """The keywords of `class X(podready.Settings, ...)`."""
    parameters = inspect.signature(podready.Settings.__init_subclass__).parameters
    assert list(rows("| option | default | meaning |")) == [n for n in parameters if n != "kwargs"]


def test_every_argument_of_var_is_in_the_reference_with_its_default() -> None:
    """Those whose default is a plain value show that."""
    parameters = inspect.signature(podready.var).parameters
    table = rows("| argument | default | meaning |")
    assert list(table) == list(parameters)
    for name in ("separator", "key_separator", "allow_empty", "expand"):
        assert table[name] == f"`{parameters[name].default}`"


def test_every_type_is_in_the_reference() -> None:
    """Those of other modules by their full names."""
    table = " ".join(rows("| type | text |"))
    named = {*re.findall(r"[\w.]+", table)}
    for module, attribute in _TYPES:
        public = "podready.settings" if module.startswith("podready.") else module
        assert f"{public}.{attribute}" in named
    assert {"str", "int", "float", "bool", "list", "dict", "tuple", "frozenset"} <= named


def test_every_word_that_smells_of_a_secret_is_in_the_reference() -> None:
    """A name with one of them hides its value."""
    for word in _SENSITIVE:
        assert f"`{word}`" in TEXT
