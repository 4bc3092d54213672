"""Deployments and ReplicaSets: selector, template, replicas, strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podready.kube.labels import from_label_selector
from podready.kube.meta import Object, dig
from podready.kube.validation.field_error import (
    FieldError,
    forbidden,
    invalid,
    not_supported,
    required,
)
from podready.kube.validation.names import label_errors
from podready.kube.validation.pods import pod_spec_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_STRATEGIES = ("Recreate", "RollingUpdate")
_NOT_NEGATIVE = "must be greater than or equal to 0"
_COUNTS = ("replicas", "minReadySeconds", "revisionHistoryLimit")


def deployment_errors(deployment: Object) -> Iterator[FieldError]:
    """Yield the mistakes of a Deployment."""
    spec = deployment["spec"]
    yield from replica_set_errors(deployment)
    yield from _strategy_errors(spec.get("strategy") or {})
    deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
    if deadline is not None and deadline <= ready:
        text = "must be greater than minReadySeconds"
        yield invalid("spec.progressDeadlineSeconds", deadline, text)


def replica_set_errors(workload: Object) -> Iterator[FieldError]:
    """Yield the mistakes that any workload with replicas, selector and template can have."""
    spec = workload["spec"]
    for name in _COUNTS:
        if (spec.get(name) or 0) < 0:
            yield invalid(f"spec.{name}", spec[name], _NOT_NEGATIVE)
    labels = dig(spec, "template", "metadata", "labels", default={})
    yield from _selector_errors(spec.get("selector"), labels)
    yield from label_errors(labels, "spec.template.metadata.labels")
    template = spec["template"]["spec"]
    if template.get("restartPolicy") != "Always":
        path = "spec.template.spec.restartPolicy"
        yield not_supported(path, template.get("restartPolicy"), ["Always"])
    yield from pod_spec_errors(template, "spec.template.spec")


def _selector_errors(selector: Object | None, labels: dict[str, str]) -> Iterator[FieldError]:
    if selector is None:
        yield required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield invalid("spec.selector", selector, "empty selector is invalid for deployment")
    elif not from_label_selector(selector).matches(labels):
        text = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", labels, text)


def _strategy_errors(strategy: Object) -> Iterator[FieldError]:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in _STRATEGIES:
        yield not_supported("spec.strategy.type", kind, _STRATEGIES)
    if kind == "Recreate" and rolling:
        text = "may not be specified when strategy `type` is 'Recreate'"
        yield forbidden("spec.strategy.rollingUpdate", text)
    if kind == "RollingUpdate" and rolling is not None:
        yield from _rolling_errors(rolling)


def _rolling_errors(rolling: Object) -> Iterator[FieldError]:
    path = "spec.strategy.rollingUpdate"
    numbers = [(name, _count(rolling.get(name))) for name in ("maxSurge", "maxUnavailable")]
    for name, number in numbers:
        if number is None or number < 0:
            text = "must be a whole number or a percentage, not negative"
            yield invalid(f"{path}.{name}", rolling.get(name), text)
    if all(number == 0 for _, number in numbers):
        text = "may not be 0 when `maxSurge` is 0"
        yield invalid(f"{path}.maxUnavailable", rolling["maxUnavailable"], text)


def _count(value: Any) -> int | None:
    """Return the number in `2` or `25%`; None when it is neither."""
    if isinstance(value, int):
        return value
    digits = str(value).removesuffix("%")
    return int(digits) if str(value).endswith("%") and digits.isdecimal() else None


def workload_update_errors(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield the error of a changed selector."""
    if new["spec"].get("selector") != old["spec"].get("selector"):
        yield invalid("spec.selector", new["spec"].get("selector"), "field is immutable")
