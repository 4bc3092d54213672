"""Every line of stdout is JSON, whatever other libraries have set up."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Events


def test_text_handlers_are_replaced_and_lines_come_once(events: Events) -> None:
    """Handlers on stdout and stderr, with and without propagation, put up after configure."""
    found = events(
        """
        for name, stream in (("a", sys.stdout), ("b", sys.stderr), ("c", None)):
            logging.getLogger(name).addHandler(logging.StreamHandler(stream))
        logging.getLogger("b").propagate = False
        logging.basicConfig(force=True, format="%(message)s")
        logs.take_over()
        logs.take_over()
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
        logs.take_over()
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
        logs.take_over()
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
        logs.take_over()
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
        logs.take_over()
        uvicorn.error("still here")
        """
    )
    assert [event["message"] for event in found] == ["still here"]


def test_what_an_app_prints_becomes_lines(events: Events) -> None:
    """Text is wrapped, JSON objects pass, half lines wait for their ends."""
    found = events(
        """
        import json, threading
        print("hello", 42)
        print(json.dumps({"severity": "INFO", "message": "mine"}))
        print("[1, 2]\\n\\nthree", end="")
        thread = threading.Thread(target=print, args=("other",))
        thread.start(); thread.join()
        print(" parts")
        sys.stdout.write("the end")
        """
    )
    words = ["hello 42", "mine", "[1, 2]", "other", "three parts", "the end"]
    assert [event["message"] for event in found] == words
    assert {event.get("logger") for event in found} == {"stdout", None}


def test_stdout_is_still_a_text_file(events: Events) -> None:
    """What containers' apps do to it in their first lines works, and does no harm."""
    found = events(
        """
        sys.stdout.reconfigure(line_buffering=True)
        sys.stdout.reconfigure(encoding="utf-8")
        assert (sys.stdout.mode, sys.stdout.line_buffering) == ("w", True)
        print("still a line")
        """
    )
    assert [event["message"] for event in found] == ["still a line"]


def test_half_a_line_of_a_thread_that_ends_is_a_line(events: Events) -> None:
    """Nobody will ever end it."""
    found = events(
        """
        import threading
        thread = threading.Thread(target=print, args=("partial",), kwargs={"end": ""})
        thread.start(); thread.join()
        print("later")
        """
    )
    assert sorted(event["message"] for event in found) == ["later", "partial"]


@pytest.mark.parametrize(
    "text", ['{"x": NaN}', '{"x": -Infinity}', '{"a":' * 100_000 + "1" + "}" * 100_000]
)
def test_what_is_not_json_to_everybody_is_wrapped(events: Events, text: str) -> None:
    """json.dumps writes NaN, and nobody else reads it; depth is no reason to raise from print."""
    found = events(
        """
        print(sys.stdin.read(), end="")
        """,
        stdin=text,
    )
    (event,) = found
    assert event["logger"] == "stdout"
    assert event["message"][:8] == text[:8]


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
        env={"PODREADY_LOG_TAKEOVER": "off", "PODREADY_LOG_PRINTS": "no"},
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
            logs.take_over()
            app.get_logger("litestar").error("bad")
            """,
        "django": """
            import django
            from django.conf import settings
            settings.configure(DEBUG=True, LOGGING={"version": 1, "loggers": {"django": {
                "handlers": ["c"], "propagate": False}},
                "handlers": {"c": {"class": "logging.StreamHandler"}}})
            django.setup()
            logs.take_over()
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
