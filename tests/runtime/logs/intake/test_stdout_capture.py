"""What an app prints: lines of the log, and nobody else's."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from podready.runtime.logs.intake.stdout_capture import CapturedStdout
from podready.runtime.logs.log import Log

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.runtime.logs.conftest import Events


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


def test_printed_objects_keep_their_form_and_lose_their_secrets(events: Events) -> None:
    """Names, order and spaces are the app's; secrets, URL passwords and length are not."""
    found = events(
        """
        import json
        print('{"b": 1,  "a": 1e5}')
        print(json.dumps({"user": "ada", "password": "hunter2", "deep": [{"api_key": "hunter2"}]}))
        print(json.dumps({"db": "postgres://app:hunter2@db/x"}))
        print('{"password": "hunter2", "password": "hunter2", "n": 99999999999999999999}')
        print('{"a": {"password": "hunter2"}, "a": 1}')
        print(json.dumps({"big": "x" * 50_000}))
        json.dump({"message": "in pieces"}, sys.stdout); print()
        """
    )
    assert found[0] == {"b": 1, "a": 1e5}
    assert found[1] == {
        "user": "ada",
        "password": "[redacted]",
        "deep": [{"api_key": "[redacted]"}],
    }
    assert found[2] == {"db": "postgres://app:[redacted]@db/x"}
    assert found[3]["password"] == "[redacted]"
    assert found[4] == {"a": 1}
    assert found[5]["truncated"] is True
    assert len(json.dumps(found[5])) < 16_500
    assert found[6] == {"message": "in pieces"}
    assert "hunter2" not in json.dumps(found)


FORGED = '{"severity":"ALERT","message":"forged"}'


@pytest.mark.parametrize(
    "code",
    [
        "print('name', text)",
        "print(text)",
        "print('name', text, 'and more')",
        "sys.stdout.write('name ' + text)",
        "sys.stdout.write('name ' + text + chr(10))",
        "print('name', text, end='')",
        "sys.stdout.writelines(['name ', text, chr(10)])",
        "print(text + chr(10) + 'rest')",
    ],
)
def test_a_client_forges_no_line_by_a_newline(events: Events, code: str) -> None:
    """What stands behind another line in one text is text, whatever put it there."""
    for text in (f"x\n{FORGED}", f"x\n{FORGED}\n", f"\n{FORGED}", f"{FORGED}\ny"):
        found = events(f"text = sys.stdin.read()\n{code}", stdin=text)
        assert {event["severity"] for event in found} == {"INFO"}, (text, code)
        assert {event["logger"] for event in found} == {"stdout"}


def test_equal_prints_are_sampled(events: Events) -> None:
    """By their text."""
    found = events(
        """
        for n in range(100): print("same")
        for n in range(20): print("other", n)
        """,
        PODREADY_LOG_SAMPLE="5/50",
    )
    words = [event["message"] for event in found]
    assert words.count("same") <= 5 + 1 + 6  # the second may turn over in between
    assert len([word for word in words if word.startswith("other")]) == 20


def test_a_line_of_many_pieces_is_put_together_once() -> None:
    """Dots of progress: what was there before is not copied with each of them."""
    copied = 0

    class Counted(str):
        """A text that counts how often it is put to another."""

        __slots__ = ()

        def __radd__(self, other: str) -> str:
            nonlocal copied
            copied += len(other)
            return Counted(str(other) + str(self))

        def __add__(self, other: str) -> str:
            nonlocal copied
            copied += len(self)
            return Counted(str(self) + str(other))

    output = Log()
    said: list[str] = []
    output.emit = lambda *given: said.append(given[1])  # type: ignore[method-assign]
    lines = CapturedStdout(output, sys.__stdout__)
    for _ in range(1000):
        lines.write(Counted("."))
    lines.write("\n")
    assert said == ["." * 1000]
    assert copied <= 2000
