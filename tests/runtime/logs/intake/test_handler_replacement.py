"""Every line of stdout is JSON, whatever other libraries have set up."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.runtime.logs.conftest import Events


def test_text_handlers_are_replaced_and_lines_come_once(events: Events) -> None:
    """Handlers on stdout and stderr, with and without propagation, put up after configure."""
    found = events(
        """
        for name, stream in (("a", sys.stdout), ("b", sys.stderr), ("c", None)):
            logging.getLogger(name).addHandler(logging.StreamHandler(stream))
        logging.getLogger("b").propagate = False
        logging.basicConfig(force=True, format="%(message)s")
        logs.replace_handlers()
        logs.replace_handlers()
        for name in "abc": logging.getLogger(name).error("from %s", name)
        log.warning("root")
        """
    )
    assert [event["message"] for event in found] == ["from a", "from b", "from c", "root"]


def test_queues_that_end_at_a_stream_are_replaced_too(events: Events) -> None:
    """As Litestar's default logging has it."""
    found = events(
        """
        import logging.handlers, queue
        handler = logging.handlers.QueueHandler(queue.Queue())
        handler.listener = logging.handlers.QueueListener(handler.queue, logging.StreamHandler())
        logging.getLogger("q").addHandler(handler)
        logging.getLogger("q").propagate = False
        logs.replace_handlers()
        try: 1 / 0
        except ZeroDivisionError: logging.getLogger("q").exception("boom")
        """
    )
    assert found[0]["stack_trace"].endswith("ZeroDivisionError: division by zero")


def test_levels_and_filters_of_replaced_handlers_are_kept(events: Events) -> None:
    """A handler that showed errors only goes on doing so."""
    found = events(
        """
        handler = logging.StreamHandler()
        handler.setLevel(logging.ERROR)
        handler.addFilter(lambda record: "secret" not in record.getMessage())
        logging.getLogger("h").addHandler(handler)
        logging.getLogger("h").propagate = False
        logs.replace_handlers()
        for word in ("shown", "secret"): logging.getLogger("h").error(word)
        logging.getLogger("h").warning("quiet")
        """
    )
    assert [event["message"] for event in found] == ["shown"]


def test_handlers_to_elsewhere_are_left_alone(events: Events, tmp_path: Path) -> None:
    """A file stays a file, also when stdout gets the line as well."""
    path = tmp_path / "audit.log"
    found = events(
        f"""
        logging.getLogger("audit").addHandler(logging.FileHandler({str(path)!r}))
        logs.replace_handlers()
        logging.getLogger("audit").warning("paid")
        """
    )
    assert path.read_text() == "paid\n"
    assert [event["message"] for event in found] == ["paid"]


def test_dictconfig_does_not_silence_the_server(events: Events) -> None:
    """disable_existing_loggers is dictConfig's default."""
    found = events(
        """
        import logging.config
        uvicorn = logging.getLogger("uvicorn.error")
        logging.config.dictConfig({"version": 1, "root": {"handlers": ["c"], "level": "INFO"},
            "handlers": {"c": {"class": "logging.StreamHandler"}}})
        logs.replace_handlers()
        uvicorn.error("still here")
        """
    )
    assert [event["message"] for event in found] == ["still here"]


def test_switches_leave_both_as_they_are(events: Events) -> None:
    """For those who want to have it their own way."""
    code = """
    import logging
    from podready.runtime import logs
    logging.getLogger("t").propagate = False
    logging.getLogger("t").addHandler(logging.StreamHandler(__import__("sys").stdout))
    logs.configure()
    logging.getLogger("t").warning("text")
    print("printed")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"PODREADY_LOG_REPLACE_HANDLERS": "off", "PODREADY_LOG_CAPTURE_STDOUT": "no"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.split() == ["text", "printed"]


@pytest.mark.parametrize("framework", ["litestar", "django"])
def test_frameworks_defaults(events: Events, framework: str) -> None:
    """Their own logging set-up, with the default settings, ends in podready's form."""
    pytest.importorskip(framework)
    code = {
        "litestar": """
            from litestar import Litestar
            app = Litestar()
            logs.replace_handlers()
            app.get_logger("litestar").error("bad")
            """,
        "django": """
            import django
            from django.conf import settings
            settings.configure(DEBUG=True, LOGGING={"version": 1, "loggers": {"django": {
                "handlers": ["c"], "propagate": False}},
                "handlers": {"c": {"class": "logging.StreamHandler"}}})
            django.setup()
            logs.replace_handlers()
            logging.getLogger("django.request").error("bad")
            """,
    }[framework]
    (event,) = [line for line in events(code) if line["severity"] == "ERROR"]
    assert event["message"] == "bad"
    assert json.dumps(event)


@pytest.mark.parametrize("when", ["before", "after"])
def test_django_may_configure_logging_whenever_it_likes(events: Events, when: str) -> None:
    """`get_wsgi_application` runs `django.setup` once more, long after `logs.configure`."""
    pytest.importorskip("django")
    found = events(
        f"""
        import django
        from django.conf import settings
        settings.configure(DEBUG=True, LOGGING={{"version": 1,
            "handlers": {{"c": {{"class": "logging.StreamHandler"}},
                          "o": {{"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}}}},
            "root": {{"handlers": ["o"], "level": "INFO"}},
            "loggers": {{"django": {{"handlers": ["c"], "propagate": False}}}}}})
        server = logging.getLogger("gunicorn.error")
        if "{when}" == "before":
            django.setup()
            logs.configure()
        from django.core.wsgi import get_wsgi_application
        get_wsgi_application()
        logging.getLogger("django.request").error("bad")
        logging.getLogger("fresh").warning("careful")  # Django silences "shop": its own rule
        server.info("still here")
        """
    )
    assert [(event["severity"], event["message"]) for event in found] == [
        ("ERROR", "bad"),
        ("WARNING", "careful"),
        ("INFO", "still here"),
    ]


def test_basic_config_and_files(events: Events, tmp_path: Path) -> None:
    """`basicConfig(force=True)` is followed too; a handler to a file is none of ours."""
    found = events(
        f"""
        logging.basicConfig(force=True, level="DEBUG", stream=sys.stdout, format="%(message)s")
        log.debug("one")
        logging.basicConfig(force=True, level="INFO", filename={str(tmp_path / "log")!r})
        log.info("two")
        """
    )
    assert [event["message"] for event in found] == ["one", "two"]
    assert (tmp_path / "log").read_text() == "INFO:shop:two\n"


def test_root_handlers_to_elsewhere_survive_configure(tmp_path: Path) -> None:
    """An audit log, an error tracker: only what writes to stdout or stderr is replaced."""
    code = f"""
import logging, sys
logging.basicConfig(level="INFO", handlers=[
    logging.FileHandler({str(tmp_path / "audit")!r}), logging.StreamHandler(sys.stderr)])
from podready.runtime import logs
logs.configure()
logs.configure()
logging.getLogger("shop").info("paid")
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert (tmp_path / "audit").read_text() == "INFO:shop:paid\n"
    assert [json.loads(line)["message"] for line in ended.stdout.splitlines()] == ["paid"]
    assert ended.stderr == ""


def test_the_level_of_a_replaced_handler_hides_nothing_that_was_asked_for(events: Events) -> None:
    """`PUT /loggers/NAME` and SIGUSR1 are about what is written, not about who writes it."""
    found = events(
        """
        from podready.runtime.logs.log import LOG
        handler = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
        np = logging.getLogger("np")
        np.addHandler(handler)
        np.propagate = False
        logs.replace_handlers()
        logs.replace_handlers()
        np.info("no")
        for table in ({"np": 10}, {"": 10}):
            LOG.levels.override(table)
            np.debug("yes")
        LOG.levels.override({"np": 20})
        np.debug("no")
        LOG.levels.override({})
        np.info("no")
        LOG.levels.configure(20, {"np": 10})
        np.debug("yes")
        """
    )
    assert [event["message"] for event in found] == ["yes", "yes", "yes"]
