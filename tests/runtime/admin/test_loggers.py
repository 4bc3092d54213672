"""Log levels changed in a running pod: by request, by signal, in every worker, for a while."""

from __future__ import annotations

import http.client
import json
import signal
from typing import Any

import pytest
from tests.runtime.conftest import TIMEOUT, Pod, StartPod, eventually

APP = """
import logging, os
log = logging.getLogger("shop.pay")
logging.getLogger("noisy").setLevel(logging.ERROR)
async def app(scope, receive, send):
    if scope["type"] == "http":
        log.debug("detail", extra={"worker": os.getpid(), "path": scope["path"]})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
"""


def ask(pod: Pod, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """Send one request to the admin port."""
    client = http.client.HTTPConnection("127.0.0.1", pod.admin, timeout=TIMEOUT)
    try:
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        client.request(method, path, raw, headers)
        answer = client.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content.startswith(b"{") else content
    finally:
        client.close()


def details(pod: Pod) -> list[dict[str, Any]]:
    """Return the DEBUG lines of the app so far."""
    return [line for line in list(pod.log) if line["message"] == "detail"]


@pytest.mark.slow
def test_a_level_is_changed_for_a_while_in_every_worker_and_goes_back(start_pod: StartPod) -> None:
    """Both workers log DEBUG, then neither does."""
    pod = start_pod(APP, "--workers", "2").ready()
    pod.get("/before")
    status, facts = ask(pod, "PUT", "/loggers/shop", {"level": "debug", "for": "2s"})
    assert (status, facts["configured"], facts["effective"]) == (200, "DEBUG", "DEBUG")
    pod.line("log level of shop is DEBUG for 2s")

    def both() -> bool:
        pod.get("/during")
        return len({line["worker"] for line in details(pod)}) == 2

    eventually(both, "both workers log DEBUG")
    assert ask(pod, "GET", "/loggers/shop.pay")[1]["effective"] == "DEBUG"
    pod.line("log level of shop is as configured again")
    assert ask(pod, "GET", "/loggers/shop.pay")[1] == {"configured": None, "effective": "INFO"}

    def silent() -> bool:
        before = len(details(pod))
        pod.get("/after")
        pod.get("/after")
        return len(details(pod)) == before

    eventually(silent, "nobody logs DEBUG any more")
    assert "/before" not in {line["path"] for line in details(pod)}


def test_sigusr1_means_debug_for_ten_minutes(start_pod: StartPod) -> None:
    """The signal goes to PID 1; loggers with levels of their own keep them."""
    pod = start_pod(APP, PODREADY_LOG_LEVELS="noisy=error").ready()
    pod.send(signal.SIGUSR1)
    pod.line("log level of root is DEBUG for 10m")
    eventually(lambda: pod.get("/") and details(pod), "DEBUG lines")
    assert ask(pod, "GET", "/loggers")[1]["loggers"]["noisy"]["effective"] == "ERROR"
    status, facts = ask(pod, "PUT", "/loggers/root", {"level": None})
    assert (status, facts) == (200, {"configured": "INFO", "effective": "INFO"})


@pytest.mark.slow
def test_a_worker_forked_later_has_the_level_too(start_pod: StartPod) -> None:
    """A replacement hears of the changes that are in force."""
    pod = start_pod(APP).ready()
    ask(pod, "PUT", "/loggers/shop", {"level": "DEBUG"})
    (old,) = pod.workers()
    pod.send(signal.SIGHUP)
    eventually(lambda: [w["pid"] for w in pod.workers()] not in ([old["pid"]], []), "a new worker")

    def heard() -> bool:
        pod.get("/")
        return any(line["worker"] != old["pid"] for line in details(pod))

    eventually(heard, "the new worker logs DEBUG")


def test_the_settings_give_single_loggers_their_levels(start_pod: StartPod) -> None:
    """PODREADY_LOG_LEVELS, and the flag over it."""
    pod = start_pod(APP, "--log-levels", "shop=debug", PODREADY_LOG_LEVELS="shop=error").ready()
    pod.get("/")
    assert pod.line("detail")["logger"] == "shop.pay"


def test_the_access_log_has_a_level_of_its_own(start_pod: StartPod) -> None:
    """podready.access at ERROR leaves only the failures."""
    pod = start_pod(APP, "--log-levels", "podready.access=error").ready()
    pod.get("/quiet")
    ask(pod, "PUT", "/loggers/podready.access", {"level": "INFO"})
    eventually(lambda: pod.get("/loud") and "GET /loud 200" in pod.messages(), "access lines")
    assert "GET /quiet 200" not in pod.messages()


BAD: list[tuple[str, object, int]] = [
    ("/loggers/shop", b"no json", 400),
    ("/loggers/shop", {"level": "loud"}, 400),
    ("/loggers/shop", {"level": "DEBUG", "for": "soon"}, 400),
    ("/loggers/shop", {"level": "DEBUG", "for": "2d"}, 400),
    ("/loggers/shop", {"level": "DEBUG", "for": "0s"}, 400),
    ("/loggers/shop", {"level": 10}, 400),
    ("/loggers/shop", {"level": "DEBUG", "until": "1m"}, 400),
    ("/loggers/", {"level": "DEBUG"}, 400),
    ("/loggers/shop", b"x" * 9000, 413),
    ("/livez", {"level": "DEBUG"}, 405),
]


def test_bad_wishes_are_refused_and_change_nothing(start_pod: StartPod) -> None:
    """Each with its status, a 400 with a sentence."""
    pod = start_pod(APP).ready()
    for path, body, status in BAD:
        said, content = ask(pod, "PUT", path, body)
        assert said == status, (path, body)
        assert status != 400 or content["error"]
    assert list(ask(pod, "GET", "/loggers")[1]["loggers"]) == ["root"]
