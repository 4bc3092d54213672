"""Label selectors: the strings of list queries and the LabelSelector objects of specs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUIREMENT = re.compile(
    r"""\s*(?:
        !\s*(?P<absent>[\w./-]+)
      | (?P<key>[\w./-]+)\s*(?:
            (?P<operator>==|=|!=)\s*(?P<value>[\w.-]*)
          | \s(?P<set>in|notin)\s*\((?P<values>[^()]*)\)
          | (?P<compare>[<>])\s*(?P<number>\d+)
        )?
    )\s*(?:,|$)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label: In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet it; NotIn is met by a missing label, as in Kubernetes."""
        if self.operator == "In":
            return self.key in labels and labels[self.key] in self.values
        if self.operator == "NotIn":
            return self.key not in labels or labels[self.key] not in self.values
        if self.operator == "Exists":
            return self.key in labels
        if self.operator == "DoesNotExist":
            return self.key not in labels
        return self._compares(labels.get(self.key, ""))

    def _compares(self, label: str) -> bool:
        if not label.isdecimal():
            return False
        limit = int(next(iter(self.values)))
        return int(label) > limit if self.operator == "Gt" else int(label) < limit


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all be met; no requirement selects everything."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet every requirement."""
        return not self.nothing and all(r.matches(labels) for r in self.requirements)

    def __bool__(self) -> bool:
        return self.nothing or bool(self.requirements)


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def parse_selector(text: str) -> Selector:
    """Return the selector of a list query (`a=b,c!=d,e in (f,g),!h,i`); ValueError for others."""
    requirements = []
    position = 0
    while position < len(text) and text[position:].strip():
        found = _REQUIREMENT.match(text, position)
        if found is None:
            raise ValueError(f"unable to parse label selector {text!r} at {text[position:]!r}")
        requirements.append(_requirement(found))
        position = found.end()
    return Selector(tuple(requirements))


def _requirement(found: re.Match[str]) -> Requirement:
    if found["absent"]:
        return Requirement(found["absent"], "DoesNotExist")
    if found["set"]:
        values = frozenset(value.strip() for value in found["values"].split(","))
        return Requirement(found["key"], "In" if found["set"] == "in" else "NotIn", values)
    if found["operator"]:
        operator = "NotIn" if found["operator"] == "!=" else "In"
        return Requirement(found["key"], operator, frozenset([found["value"]]))
    if found["compare"]:
        operator = "Gt" if found["compare"] == ">" else "Lt"
        return Requirement(found["key"], operator, frozenset([found["number"]]))
    return Requirement(found["key"], "Exists")


def from_label_selector(spec: Mapping[str, Any] | None) -> Selector:
    """Return the selector of a LabelSelector object; None selects nothing, {} everything."""
    if spec is None:
        return NOTHING
    equal = [
        Requirement(key, "In", frozenset([value]))
        for key, value in sorted((spec.get("matchLabels") or {}).items())
    ]
    wider = [
        Requirement(part["key"], part["operator"], frozenset(part.get("values") or ()))
        for part in spec.get("matchExpressions") or ()
    ]
    return Selector((*equal, *wider))


def from_map(labels: Mapping[str, str] | None) -> Selector:
    """Return the selector of a Service: a plain map; an empty or missing one selects nothing."""
    if not labels:
        return NOTHING
    return from_label_selector({"matchLabels": labels})


def to_text(selector: Selector) -> str:
    """Return the selector as a list query would write it."""
    return ",".join(_text(requirement) for requirement in selector.requirements)


def _text(requirement: Requirement) -> str:
    values = ",".join(sorted(requirement.values))
    single = len(requirement.values) == 1
    forms = {
        "In": f"{requirement.key}={values}" if single else f"{requirement.key} in ({values})",
        "NotIn": f"{requirement.key}!={values}"
        if single
        else f"{requirement.key} notin ({values})",
        "Exists": requirement.key,
        "DoesNotExist": f"!{requirement.key}",
        "Gt": f"{requirement.key}>{values}",
        "Lt": f"{requirement.key}<{values}",
    }
    return forms[requirement.operator]
