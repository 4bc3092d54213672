"""The environment that a project wants for rehearsals only, put over that of its manifests.

The manifests' files stay as they are: variables go into a Secret of the rehearsal's own, and the
containers under test (init containers too, since they often migrate the same database) refer to
it. Values never reach a report.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from podready.kube.manifest import Manifest
from podready.kube.meta import copy_of, dig
from podready.rehearse.result import RehearsalResult
from podready.rehearse.result_json import from_json, to_json
from podready.rehearse.target import RehearsalTarget

Object = dict[str, Any]

SECRET: Final = "podready-rehearsal"  # noqa: S105 - the name of an object
HIDDEN: Final = "…"
_SHORTEST_VALUE, _SHORTEST_PASSWORD = 8, 4  # shorter ones may be ordinary words of a text


@dataclass(frozen=True, slots=True)
class Overrides:
    """Variables of `[tool.podready.rehearse.env]`, ready to be put over manifests."""

    variables: Mapping[str, str]

    def merge_into(
        self, manifests: Sequence[Manifest], target: RehearsalTarget
    ) -> tuple[Manifest, ...]:
        """Return the manifests with the variables in every container of the target."""
        if not self.variables:
            return tuple(manifests)
        changed: list[Manifest] = []
        for manifest in manifests:
            if manifest is target.manifest:
                changed.append(Manifest(self._secret(target.namespace), "podready", 0))
                changed.append(replace(manifest, object=self._over(manifest.object)))
            else:
                changed.append(manifest)
        return tuple(changed)

    def hide(self, text: str) -> str:
        """Return the text without values and passwords that it may have picked up."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def hide_in(self, result: RehearsalResult) -> RehearsalResult:
        """Return the result with every text of it hidden likewise."""
        if not self._secrets():
            return result
        return from_json(json.dumps(self._hidden(json.loads(to_json(result)))))

    def _secret(self, namespace: str) -> Object:
        data = {k: base64.b64encode(v.encode()).decode() for k, v in self.variables.items()}
        metadata = {"name": SECRET, "namespace": namespace}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}

    def _over(self, deployment: Object) -> Object:
        changed: Object = copy_of(deployment)
        spec = dig(changed, "spec", "template", "spec", default={})
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            own = container.get("env") or []
            container["env"] = [
                *(_reference(name) for name in self.variables),
                *(each for each in own if each["name"] not in self.variables),
            ]
        return changed

    def _secrets(self) -> set[str]:
        values = {value for value in self.variables.values() if len(value) >= _SHORTEST_VALUE}
        written = {password for value in self.variables.values() for password in _passwords(value)}
        return values | {each for each in written if len(each) >= _SHORTEST_PASSWORD}

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, list):
            return [self._hidden(each) for each in value]
        if isinstance(value, dict):
            return {key: self._hidden(each) for key, each in value.items()}
        return value


def _reference(name: str) -> Object:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": name}}}


def _passwords(value: str) -> tuple[str, ...]:
    """Return the password of a URL, as it is written and decoded."""
    try:
        password = urlsplit(value).password
    except ValueError:
        return ()
    return (password, unquote(password)) if password else ()
