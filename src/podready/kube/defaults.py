"""The values the API server fills in where a manifest is silent.

Clients, template comparison and kubectl's printers count on them. Sources: the API reference of
Kubernetes 1.37 and pkg/apis/{core,apps,discovery}/v1/defaults.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podready.kube.meta import Object

TERMINATION_GRACE_SECONDS = 30
"""spec.terminationGracePeriodSeconds of a pod that names none."""

NOT_READY_TOLERATION_SECONDS = 300
"""How long a pod stays on a node that is not ready or unreachable (DefaultTolerationSeconds)."""

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")
_DEFAULT_MODE = 0o644


def apply_defaults(obj: Object) -> None:
    """Fill in the defaults of the object's kind, in place; unknown kinds stay as they are."""
    fill = _KINDS.get((obj.get("apiVersion", ""), obj.get("kind", "")))
    if fill:
        fill(obj)


def _set(target: Object, **values: Any) -> None:
    for name, value in values.items():
        if target.get(name) is None:
            target[name] = value


def _child(parent: Object, name: str) -> Object:
    """Return parent[name], made as an empty map when it is missing."""
    if parent.get(name) is None:
        parent[name] = {}
    child: Object = parent[name]
    return child


def _items(parent: Object, name: str) -> Iterable[Object]:
    return (item for item in parent.get(name) or () if isinstance(item, dict))


# -- pods -----------------------------------------------------------------------------------


def _pod(pod: Object) -> None:
    spec = _child(pod, "spec")
    _pod_spec(spec)
    _set(spec, serviceAccountName="default", priority=0, preemptionPolicy="PreemptLowerPriority")
    _set(spec, serviceAccount=spec["serviceAccountName"])
    _tolerations(spec)


def _tolerations(spec: Object) -> None:
    present = {toleration.get("key") for toleration in _items(spec, "tolerations")}
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if key not in present:
            spec.setdefault("tolerations", []).append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": NOT_READY_TOLERATION_SECONDS,
                }
            )


def _pod_spec(spec: Object) -> None:
    _set(
        spec,
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        terminationGracePeriodSeconds=TERMINATION_GRACE_SECONDS,
        schedulerName="default-scheduler",
        securityContext={},
        enableServiceLinks=True,
    )
    if spec.get("serviceAccountName"):
        _set(spec, serviceAccount=spec["serviceAccountName"])
    for name in ("initContainers", "containers"):
        for container in _items(spec, name):
            _container(container)
    for volume in _items(spec, "volumes"):
        _volume(volume)


def _container(container: Object) -> None:
    _set(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy=pull_policy(str(container.get("image") or "")),
        resources={},
    )
    _requests_from_limits(container["resources"])
    for port in _items(container, "ports"):
        _set(port, protocol="TCP")
    for name in _PROBES:
        if container.get(name) is not None:
            _probe(container[name])
    for name in _HOOKS:
        hook = (container.get("lifecycle") or {}).get(name) or {}
        _http_get(hook.get("httpGet"))
    for variable in _items(container, "env"):
        field_ref = (variable.get("valueFrom") or {}).get("fieldRef")
        if field_ref:
            _set(field_ref, apiVersion="v1")


def pull_policy(image: str) -> str:
    """Return Always for `:latest` or no tag, IfNotPresent otherwise (digests included)."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _requests_from_limits(resources: Object) -> None:
    limits = resources.get("limits")
    if limits:
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _probe(probe: Object) -> None:
    _set(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    _http_get(probe.get("httpGet"))
    if probe.get("grpc"):
        _set(probe["grpc"], service="")


def _http_get(action: Object | None) -> None:
    if action:
        _set(action, scheme="HTTP", path="/")


def _volume(volume: Object) -> None:
    for source in ("configMap", "secret", "downwardAPI", "projected"):
        if volume.get(source) is not None:
            _set(volume[source], defaultMode=_DEFAULT_MODE)
    down = [volume.get("downwardAPI") or {}]
    for projected in _items(volume.get("projected") or {}, "sources"):
        down.append(projected.get("downwardAPI") or {})
        if projected.get("serviceAccountToken"):
            _set(projected["serviceAccountToken"], expirationSeconds=3600)
    for part in down:
        for item in _items(part, "items"):
            if item.get("fieldRef"):
                _set(item["fieldRef"], apiVersion="v1")
    if volume.get("hostPath") is not None:
        _set(volume["hostPath"], type="")
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}


# -- workloads ------------------------------------------------------------------------------


def _template(spec: Object) -> None:
    template = _child(spec, "template")
    _pod_spec(_child(template, "spec"))


def _deployment(deployment: Object) -> None:
    spec = _child(deployment, "spec")
    _template(spec)
    _set(spec, replicas=1, strategy={}, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec["strategy"]
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(_child(strategy, "rollingUpdate"), maxUnavailable="25%", maxSurge="25%")


def _replica_set(replica_set: Object) -> None:
    spec = _child(replica_set, "spec")
    _template(spec)
    _set(spec, replicas=1)


# -- the rest -------------------------------------------------------------------------------


def _service(service: Object) -> None:
    spec = _child(service, "spec")
    _set(spec, type="ClusterIP", sessionAffinity="None")
    if spec["sessionAffinity"] == "ClientIP":
        client_ip = _child(_child(spec, "sessionAffinityConfig"), "clientIP")
        _set(client_ip, timeoutSeconds=10_800)
    for port in _items(spec, "ports"):
        _set(port, protocol="TCP", targetPort=port.get("port"))
    if spec["type"] != "ExternalName":
        _set(spec, internalTrafficPolicy="Cluster")
        _set(spec, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _set(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        _set(spec, allocateLoadBalancerNodePorts=True)


def _endpoint_slice(endpoint_slice: Object) -> None:
    for port in _items(endpoint_slice, "ports"):
        _set(port, name="", protocol="TCP")


def _secret(secret: Object) -> None:
    _set(secret, type="Opaque")


def _namespace(namespace: Object) -> None:
    labels = _child(_child(namespace, "metadata"), "labels")
    _set(labels, **{"kubernetes.io/metadata.name": namespace["metadata"].get("name", "")})
    _set(_child(namespace, "spec"), finalizers=["kubernetes"])


_KINDS: dict[tuple[str, str], Callable[[Object], None]] = {
    ("v1", "Pod"): _pod,
    ("v1", "Service"): _service,
    ("v1", "Secret"): _secret,
    ("v1", "Namespace"): _namespace,
    ("apps/v1", "Deployment"): _deployment,
    ("apps/v1", "ReplicaSet"): _replica_set,
    ("discovery.k8s.io/v1", "EndpointSlice"): _endpoint_slice,
}
