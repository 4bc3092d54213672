"""Names, labels and metadata: what Kubernetes takes as a name, and why not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from podready.kube.gvk import NAMESPACE, SERVICE, Resource
from podready.kube.validation.field_error import FieldError, invalid, required

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from podready.kube.meta import Object

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_DNS_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
    "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_LABEL_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
    "'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_CONFIG_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def label_problem(name: str) -> str | None:
    """Return why `name` is no DNS-1123 label (at most 63 characters), or None."""
    return _problem(name, _LABEL, 63, _LABEL_TEXT)


def subdomain_problem(name: str) -> str | None:
    """Return why `name` is no DNS-1123 subdomain (at most 253 characters), or None."""
    return _problem(name, _SUBDOMAIN, 253, _SUBDOMAIN_TEXT)


def config_key_problem(key: str) -> str | None:
    """Return why `key` is no key of a ConfigMap or Secret, or None."""
    return _problem(key, _CONFIG_KEY, 253, _CONFIG_KEY_TEXT)


def _problem(text: str, pattern: re.Pattern[str], limit: int, message: str) -> str | None:
    if len(text) > limit:
        return f"must be no more than {limit} characters"
    return None if pattern.fullmatch(text) else message


def _name_problem(resource: Resource, name: str) -> str | None:
    if resource == SERVICE:
        return _problem(name, _DNS_1035, 63, _DNS_1035_TEXT)
    if resource == NAMESPACE:
        return label_problem(name)
    return subdomain_problem(name)


def metadata_errors(resource: Resource, obj: Object) -> Iterator[FieldError]:
    """Yield the mistakes in an object's metadata."""
    meta = obj.get("metadata") or {}
    name = meta.get("name")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif problem := _name_problem(resource, name):
        yield invalid("metadata.name", name, problem)
    yield from label_errors(meta.get("labels") or {}, "metadata.labels")
    for key in meta.get("annotations") or {}:
        if problem := qualified_name_problem(key.lower()):
            yield invalid("metadata.annotations", key, problem)


def label_errors(labels: Mapping[str, str], path: str) -> Iterator[FieldError]:
    """Yield the mistakes in a map of labels."""
    for key, value in labels.items():
        if problem := qualified_name_problem(key):
            yield invalid(path, key, problem)
        if problem := _problem(str(value), _LABEL_VALUE, 63, _LABEL_VALUE_TEXT):
            yield invalid(path, value, problem)


def qualified_name_problem(key: str) -> str | None:
    """Return why `key` is no label or annotation key (`prefix/name`), or None."""
    prefix, slash, name = key.rpartition("/")
    if slash and (problem := subdomain_problem(prefix)):
        return f"prefix part {problem}"
    if not name:
        return "name part must be non-empty"
    return _problem(name, _QUALIFIED, 63, _QUALIFIED_TEXT)
