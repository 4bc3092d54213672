"""What a diagnosis advises: evidence with the numbers filled in, the fix, and a patch to apply.

One function a cause, found by its code. Pure: everything they say comes from the lost requests,
the pods' histories and the context of the rehearsal.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from podready.rehearse.diagnosis.causes import LostRequest
from podready.rehearse.history import PodHistory
from podready.rehearse.load.plan import Outcome
from podready.rehearse.model import lost_per_rollout


@dataclass(frozen=True, slots=True)
class AdviceContext:
    """What the advice needs to know of the rehearsal; seconds."""

    rate: float
    endpoint_lag: float
    share_new: float
    rollouts: float
    replicas: int = 1
    container: str = "app"
    app: str = ""
    slowest: float = 0.0  # the slowest answer that succeeded
    command: str = ""  # PID 1 as the image starts it
    command_line: str = ""  # the CMD or ENTRYPOINT line of the Dockerfile
    command_at: str = ""  # file:line of it


@dataclass(frozen=True, slots=True)
class Advice:
    """The advice on one cause."""

    evidence: str
    fix: str
    patch: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """All requests lost for one cause."""

    code: str
    lost: tuple[LostRequest, ...]
    context: AdviceContext

    @property
    def histories(self) -> tuple[PodHistory, ...]:
        """Return the histories of the pods that lost them, each once."""
        found = {lost.history.pod: lost.history for lost in self.lost if lost.history}
        return tuple(found.values())


def advise(group: Group) -> Advice:
    """Return the evidence and the fix for a group of lost requests."""
    return _ADVICE.get(group.code, _unknown)(group)


def podready_run(context: AdviceContext) -> str:
    """Return the Dockerfile line that starts the app with a drain."""
    return f'CMD ["podready", "run", "{context.app or "your_module:app"}"]'


def _listener_closed_early(group: Group) -> Advice:
    closed = _offsets(group.histories, _listener_end)
    unrouted = _offsets(group.histories, lambda h: _finite(h.routed_until(-1)))
    gap = mean_gap(group.histories)
    seconds = math.ceil(max(unrouted, default=group.context.endpoint_lag)) + 2
    evidence = _sentences(
        f"{_how(group.lost)} {_span(group.lost)} after termination began",
        f"the listener closed at {_at(closed)}" if closed else "",
        f"the last proxy stopped routing at {_at(unrouted)}" if unrouted else "",
        _formula(group.context, gap) if unrouted and closed else "",
    )
    fix = (
        f"Go on accepting for {seconds} s after SIGTERM. Start the app with `podready run`, which "
        f"drains before it closes, or add a preStop sleep of {seconds} s to the container."
    )
    return Advice(evidence, fix, _prestop_patch(group.context, seconds))


def _keep_alive_race(group: Group) -> Advice:
    evidence = _sentences(
        f"{_how(group.lost)} on reused connections, {_span(group.lost)} after termination began, "
        "before one byte of an answer",
        _connections(group.lost),
    )
    fix = (
        "Answer with `Connection: close` while draining and close idle connections only after "
        "their clients had time to see it. `podready run` does both; a preStop sleep does not."
    )
    return Advice(evidence, fix, _dockerfile_patch(group.context))


def _keep_alive_shorter(group: Group) -> Advice:
    ages = [lost.sample.conn_age for lost in group.lost]
    evidence = _sentences(
        f"{_how(group.lost)} on reused connections of pods that were not ending",
        f"the connections were {min(ages):.1f}-{max(ages):.1f} s old",
    )
    fix = (
        "Let the server keep idle connections longer than the proxy in front of it does (uvicorn: "
        "--timeout-keep-alive, gunicorn: --keep-alive; 75 s suits most load balancers)."
    )
    return Advice(evidence, fix)


def _cut_by_graceful_timeout(group: Group) -> Advice:
    evidence = _sentences(
        f"{_how(group.lost)} {_span(group.lost)} after termination began",
        f"they had been under way for {_range([lost.lasted for lost in group.lost])}",
        f"the slowest answer that succeeded took {group.context.slowest:.1f} s",
    )
    need = math.ceil(max(group.context.slowest, *(lost.lasted for lost in group.lost))) + 5
    fix = (
        f"Give requests under way at least {need} s: raise the server's graceful timeout, and keep "
        "terminationGracePeriodSeconds above drain + graceful timeout + shutdown."
    )
    return Advice(evidence, fix, _grace_patch(need + 10))


def _killed_at_grace(group: Group) -> Advice:
    return killed_pods(group.histories, group.context, _how(group.lost))


def killed_pods(
    histories: tuple[PodHistory, ...], context: AdviceContext, lost: str = "no request was lost"
) -> Advice:
    """Return why pods had to be killed: PID 1 ignores SIGTERM, or the grace period is too short."""
    ignoring = [h for h in histories if h.handled is False]
    grace = max((h.grace for h in histories), default=30.0)
    if ignoring:
        return _ignores_sigterm(ignoring, context, grace, lost)
    evidence = _sentences(
        f"{len(histories)} {_pods(len(histories))} still ran {grace:g} s after deletion and ended "
        "with SIGKILL",
        lost,
    )
    fix = (
        f"Everything after deletion must fit into terminationGracePeriodSeconds ({grace:g}): "
        "preStop + drain + the slowest request + shutdown. Shorten those or raise it."
    )
    return Advice(evidence, fix, _grace_patch(math.ceil(grace * 2)))


def _ignores_sigterm(
    ignoring: list[PodHistory], context: AdviceContext, grace: float, lost: str
) -> Advice:
    command = f" (`{context.command}`{_where(context)})" if context.command else ""
    evidence = _sentences(
        f"PID 1{command} of {len(ignoring)} {_pods(len(ignoring))} has no handler for SIGTERM, so "
        f"the kernel dropped it and each pod was killed {grace:g} s after its deletion",
        lost,
    )
    shell = context.command.startswith(("/bin/sh -c", "sh -c", "/bin/bash -c"))
    why = (
        "a shell-form CMD makes /bin/sh PID 1, and it does not pass the signal on. "
        if shell
        else ""
    )
    fix = (
        f"{why[:1].upper()}{why[1:]}Start the server itself as PID 1, in exec form: "
        f"`{podready_run(context)}`."
    )
    return Advice(evidence, fix, _dockerfile_patch(context))


def _killed_in_flight(group: Group) -> Advice:
    ends = [end for h in group.histories for end in h.ends if end.t < h.terminating_from]
    oom = any(end.oom for end in ends)
    codes = ", ".join(sorted({str(end.code) for end in ends}))
    evidence = _sentences(
        f"{_how(group.lost)} when {len(group.histories)} {_pods(len(group.histories))} ended with "
        f"exit code {codes} without a request to stop",
        "it was out of memory" if oom else "",
    )
    fix = (
        "Raise the memory limit or find what grows."
        if oom
        else "Look for the crash in the pod's log; a liveness probe that fails restarts pods too."
    )
    return Advice(evidence, f"{fix} Let clients retry what is safe to repeat.")


def _not_ready_when_ready(group: Group) -> Advice:
    after = [
        lost.at - ready
        for lost in group.lost
        if lost.history and (ready := lost.history.first_ready()) is not None
    ]
    evidence = _sentences(f"{_how(group.lost)} on new pods, {_range(after)} after they were Ready")
    fix = (
        "Let readiness ask for the real thing: a readinessProbe on a path that answers only when "
        "the listener and its connections work (`podready run` serves /readyz on port 9000)."
    )
    return Advice(evidence, fix, _READINESS_PATCH)


def _no_endpoints(group: Group) -> Advice:
    evidence = _sentences(f"{_how(group.lost)} because no pod of the Service was ready")
    fix = (
        "Keep at least two replicas, roll out with maxUnavailable: 0 and maxSurge: 1, and let "
        "the readiness probe fail only when the pod itself cannot serve."
    )
    return Advice(evidence, fix, _STRATEGY_PATCH)


def _accepted_not_served(group: Group) -> Advice:
    evidence = _sentences(
        f"{_how(group.lost)} after {_range([lost.lasted for lost in group.lost])} of waiting, on "
        "connections that the kernel accepted after termination began",
    )
    fix = (
        "A parent process keeps the listening socket open while its workers have stopped. Close "
        "the socket when accepting ends, or start the app with `podready run`."
    )
    return Advice(evidence, fix, _dockerfile_patch(group.context))


def _unexpected_status(group: Group) -> Advice:
    counts = Counter(f"{lost.sample.status} for {lost.sample.kind}" for lost in group.lost)
    listed = ", ".join(f"{count} x {what}" for what, count in counts.most_common(3))
    fix = (
        "Read the pods' log for these requests; when the status is right, set `expect` of the "
        "request in [tool.podready.rehearse]."
    )
    return Advice(_sentences(f"the app answered {listed}, while no pod was ending"), fix)


def _too_slow(group: Group) -> Advice:
    lasted = _range([lost.lasted for lost in group.lost])
    fix = "Lower --rps, give the pods more capacity, or raise `timeout` of the request."
    return Advice(_sentences(f"{len(group.lost)} requests had no answer after {lasted}"), fix)


def _unknown(group: Group) -> Advice:
    errors = Counter(lost.sample.error or lost.sample.outcome.value for lost in group.lost)
    listed = ", ".join(f"{count} x {error}" for error, count in errors.most_common(3))
    return Advice(_sentences(listed), "Look at report.json and the pods' log at these moments.")


_ADVICE: Final[dict[str, Callable[[Group], Advice]]] = {
    "listener-closed-early": _listener_closed_early,
    "keep-alive-race": _keep_alive_race,
    "keep-alive-shorter-than-proxy": _keep_alive_shorter,
    "cut-by-graceful-timeout": _cut_by_graceful_timeout,
    "killed-at-grace": _killed_at_grace,
    "killed-in-flight": _killed_in_flight,
    "not-ready-when-ready": _not_ready_when_ready,
    "no-endpoints": _no_endpoints,
    "accepted-not-served": _accepted_not_served,
    "unexpected-status": _unexpected_status,
    "too-slow": _too_slow,
}

_READINESS_PATCH = """\
         readinessProbe:
-          httpGet: {path: /, port: http}
+          httpGet: {path: /readyz, port: 9000}
+          periodSeconds: 2"""

_STRATEGY_PATCH = """\
 spec:
+  replicas: 3
+  strategy:
+    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}"""


def _prestop_patch(context: AdviceContext, seconds: int) -> str:
    return (
        f" containers:\n"
        f"   - name: {context.container}\n"
        f"+    lifecycle:\n"
        f"+      preStop:\n"
        f"+        sleep: {{seconds: {seconds}}}"
    )


def _grace_patch(seconds: int) -> str:
    return f" spec:\n   template:\n     spec:\n+      terminationGracePeriodSeconds: {seconds}"


def _dockerfile_patch(context: AdviceContext) -> str:
    old = f"-{context.command_line}\n" if context.command_line else ""
    return f"{old}+{podready_run(context)}"


def _where(context: AdviceContext) -> str:
    return f", {context.command_at}" if context.command_at else ""


def mean_gap(histories: tuple[PodHistory, ...]) -> float:
    """Return the mean seconds, over pods and nodes, of routing to a listener that was closed."""
    gaps = []
    for history in histories:
        closed = _listener_end(history)
        for node in sorted({interval.node for interval in history.routed}):
            until = _finite(history.routed_until(node))
            if closed is not None and until is not None:
                gaps.append(max(0.0, until - closed))
    return statistics.mean(gaps) if gaps else 0.0


def _formula(context: AdviceContext, gap: float) -> str:
    expected = lost_per_rollout(context.rate, gap, context.share_new) * context.rollouts
    rollouts = "rollout" if context.rollouts == 1 else "rollouts"
    return (
        f"expected of new connections alone: {context.rate:g}/s x {context.share_new:.0%} x "
        f"{gap:.2f} s uncovered on average x {context.rollouts:.3g} {rollouts} = {expected:.0f}"
    )


def _how(lost: tuple[LostRequest, ...]) -> str:
    """Return `51 refused` or `48 refused and 3 reset`."""
    texts = {
        Outcome.STATUS: "answered wrongly",
        Outcome.EOF: "closed unanswered",
        Outcome.TIMEOUT: "timed out",
    }
    counts = Counter(texts.get(one.sample.outcome, one.sample.outcome.value) for one in lost)
    return " and ".join(f"{count} {text}" for text, count in counts.most_common())


def _span(lost: tuple[LostRequest, ...]) -> str:
    """Return between which moments after termination began they were lost."""
    offsets = [one.at - one.history.terminating_from for one in lost if one.history]
    offsets = [offset for offset in offsets if not math.isinf(offset)]
    if not offsets:
        return "at an unknown time"
    first, last = max(0.0, min(offsets)), max(0.0, *offsets)
    return f"between +{first:.2f} s and +{last:.2f} s"


def _offsets(
    histories: tuple[PodHistory, ...], moment: Callable[[PodHistory], float | None]
) -> list[float]:
    found = []
    for history in histories:
        at = moment(history)
        if at is not None and not math.isinf(history.terminating_from):
            found.append(at - history.terminating_from)
    return found


def _listener_end(history: PodHistory) -> float | None:
    ends = [s.end for s in history.listening if s.end >= history.terminating_from]
    return _finite(min(ends, default=None))


def _finite(t: float | None) -> float | None:
    return None if t is None or math.isinf(t) else t


def _at(offsets: list[float]) -> str:
    first, last = max(0.0, min(offsets)), max(0.0, *offsets)
    return f"+{first:.2f} s" if last - first < 0.005 else f"+{first:.2f} to +{last:.2f} s"


def _range(seconds: list[float]) -> str:
    if not seconds:
        return "an unknown time"
    low, high = min(seconds), max(seconds)
    return f"{low:.2f} s" if high - low < 0.01 else f"{low:.2f}-{high:.2f} s"


def _connections(lost: tuple[LostRequest, ...]) -> str:
    counts = Counter(one.sample.connection.value for one in lost)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())


def _pods(count: int) -> str:
    return "pod" if count == 1 else "pods"


def _sentences(*parts: str) -> str:
    text = "; ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}."
