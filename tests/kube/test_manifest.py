"""Manifests with the lines they were written on."""

from __future__ import annotations

from pathlib import Path

import pytest

from podready.errors import ManifestError
from podready.kube.manifest import parse_manifests, parse_yaml, read_manifests

TWO = """\
# a comment
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  one: "1"
---
---
apiVersion: v1
kind: Pod
metadata:
  name: b
spec:
  containers:
  - name: web
    image: x
    env:
    - {name: A, value: "1"}
    - name: B
      value: yes
"""


def test_documents_know_their_lines() -> None:
    """Each object has its first line, each field its own."""
    config, pod = parse_manifests(TWO, "m.yaml")
    assert (config.line, pod.line) == (2, 9)
    assert config.object["data"] == {"one": "1"}
    assert pod.line_of("spec.containers[0].image") == 16
    assert pod.line_of("spec.containers[0].env[1].value") == 20
    assert pod.line_of("spec.containers[0].livenessProbe") == 15, "the nearest field that is there"
    assert str(pod.error("no", "metadata.name")) == "m.yaml:12: no"


def test_values_are_plain_json_as_kubectl_reads_them() -> None:
    """YAML 1.1: `yes` is true; nothing of the YAML library is left in the object."""
    pod = parse_manifests(TWO, "m.yaml")[1].object
    assert pod["spec"]["containers"][0]["env"][1]["value"] is True
    assert type(pod) is dict
    assert type(pod["spec"]["containers"][0]["image"]) is str


def test_lists_are_taken_apart() -> None:
    """`kind: List` is an envelope, not an object."""
    item = "- {apiVersion: v1, kind: Secret, metadata: {name: s}}\n"
    text = f"apiVersion: v1\nkind: List\nitems:\n{item}"
    (secret,) = parse_manifests(text, "l.yaml")
    assert (secret.object["kind"], secret.line) == ("Secret", 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b\n c: d\n", "m.yaml:2: not YAML"),
        ("a: 1\na: 2\n", "m.yaml:2: not YAML: found duplicate key"),
        ("\tx: 1\n", "m.yaml:1: not YAML"),
        ("- 1\n", "m.yaml:1: not a Kubernetes object: a map"),
        ("\n\nkind: Pod\n", "m.yaml:3: not a Kubernetes object: apiVersion is missing"),
        ("apiVersion: v1\nkind: Pod\n", "m.yaml:1: Pod without metadata.name"),
    ],
)
def test_mistakes_name_file_and_line(text: str, message: str) -> None:
    """One sentence that starts where the mistake is."""
    with pytest.raises(ManifestError) as caught:
        parse_manifests(text, "m.yaml")
    assert str(caught.value).startswith(message)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    """Other files and subfolders are left alone, as `kubectl apply -f` does."""
    for name in ("b.yml", "a.yaml", "notes.txt"):
        text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name[0]}}}\n"
        (tmp_path / name).write_text(text)
    (tmp_path / "c.yaml").mkdir()
    assert [m.object["metadata"]["name"] for m in read_manifests(tmp_path)] == ["a", "b"]


def test_missing_and_unreadable_files_are_one_sentence(tmp_path: Path) -> None:
    """No such file, an empty folder, and bytes that are no text."""
    with pytest.raises(ManifestError, match="no such file"):
        read_manifests(tmp_path / "gone.yaml")
    with pytest.raises(ManifestError, match=r"no \.yaml"):
        read_manifests(tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="not UTF-8"):
        read_manifests(tmp_path)


def test_plain_yaml_values() -> None:
    """For bodies and kubeconfigs: a value, or a ValueError."""
    assert parse_yaml('{"a": [1, null]}') == {"a": [1, None]}
    with pytest.raises(ValueError, match="expected"):
        parse_yaml("a: [")
