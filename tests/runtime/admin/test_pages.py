"""Who may see the details on the admin port."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from podready.runtime.admin.loggers import Loggers
from podready.runtime.admin.metrics import MetricsPage
from podready.runtime.admin.pages import Pages
from podready.runtime.admin.probes import Answer
from podready.runtime.admin.server import Request, render
from podready.runtime.run_config import load_config
from podready.runtime.supervisor.supervisor import Supervisor

TOKEN = "0123456789abcdef"


@pytest.fixture(params=[True, False], ids=["token", "no token"])
def token(request: pytest.FixtureRequest) -> bool:
    """Whether the pod has an admin token."""
    return bool(request.param)


@pytest.fixture
def pages(token: bool) -> Iterator[Pages]:
    """The pages of a supervisor that has not started."""
    variables = {"PODREADY_ADMIN_TOKEN": TOKEN} if token else {}
    supervisor = Supervisor(load_config(["main:app"], variables))
    yield Pages(supervisor, MetricsPage(supervisor), Loggers(supervisor))
    supervisor.loop.close()


def ask(pages: Pages, target: str, *, loopback: bool = False, authorization: str = "") -> Answer:
    """Return the answer to a GET."""
    path, _, query = target.partition("?")
    headers = {"authorization": authorization} if authorization else {}
    answer = pages.answer(Request("GET", path, frozenset([query]), headers, loopback))
    assert isinstance(answer, Answer)
    return answer


@pytest.mark.parametrize("path", ["/info", "/tasks", "/config", "/loggers"])
def test_details_need_loopback_or_the_token(pages: Pages, token: bool, path: str) -> None:
    """From outside: 403, or 401 where a token would help; with it and from inside: 200."""
    assert ask(pages, path, loopback=True).status == 200
    assert ask(pages, path).status == (401 if token else 403)
    assert ask(pages, path, authorization="Bearer wrong").status == (401 if token else 403)
    right = ask(pages, path, authorization=f"Bearer {TOKEN}")
    assert right.status == (200 if token else 403)
    assert TOKEN.encode() not in right.body


def test_a_refusal_says_what_is_needed(pages: Pages, token: bool) -> None:
    """RFC 9110 asks for WWW-Authenticate with every 401; nothing is ever to be stored."""
    sent = render(ask(pages, "/info"))
    assert (b"WWW-Authenticate: Bearer" in sent) == token
    assert b"Cache-Control: no-store" in sent


def test_verbose_from_outside_is_ignored(pages: Pages, token: bool) -> None:
    """A probe answers all the same, without the details."""
    assert "details" not in json.loads(ask(pages, "/livez?verbose").body)
    assert "details" in json.loads(ask(pages, "/livez?verbose", loopback=True).body)
    shown = ask(pages, "/livez?verbose", authorization=f"Bearer {TOKEN}").body
    assert ("details" in json.loads(shown)) == token


def test_no_worker_is_a_failing_group(pages: Pages) -> None:
    """Before a worker listens, no group is known to be good."""
    assert ask(pages, "/health/storage").status == 503
