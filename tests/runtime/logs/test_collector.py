"""A real log collector follows a container's log file, as on a Kubernetes node.

containerd writes what a container says to a file, one CRI line for each line, and cuts lines after
16 KiB; rsyslog follows the file, takes off the CRI prefix and parses the JSON. Needs rsyslogd
(Debian: apt-get install rsyslog), on the PATH or named by PODREADY_TEST_RSYSLOGD.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.parts import program

RSYSLOGD = os.environ.get("PODREADY_TEST_RSYSLOGD") or program("rsyslogd")
needs_rsyslog = pytest.mark.skipif(RSYSLOGD is None, reason="rsyslogd is not installed")

CRI_CUT = 16 * 1024
TIMEOUT = 60.0

CONFIGURATION = """
global(workDirectory="{work}" maxMessageSize="64k" debug.onShutdown="off")
module(load="imfile" mode="inotify")
input(type="imfile" file="{log}" tag="app" ruleset="cri")
template(name="event" type="list") {{ property(name="$!event") constant(value="\\n") }}
ruleset(name="cri") {{
  set $.json = re_extract($msg, "^[^ ]+ stdout F (.*)\\$", 0, 1, "");
  set $.bad = parse_json($.json, "\\$!event");
  if ($.bad == 0) then {{ action(type="omfile" file="{out}" template="event") }}
  else {{ action(type="omfile" file="{refused}") }}
}}
"""

APP = """
import logging
from podready.runtime import logs
logs.configure("gcp")
log = logging.getLogger("shop")
class Odd:
    def __repr__(self): return 'odd "quotes" \\\\ \\x1b[31m \\u2028 \\U0001f600'
values = [None, True, 1.5, -3, "", "caf\\xe9", "two\\nlines", "\\x01\\x07", b"\\xff", Odd()]
values += [{"a": [Odd()]}]
for number in range(1500):
    log.info("line %d", number, extra={"value": values[number % len(values)], "number": number})
    if number % 100 == 7:
        try: {}["order"]
        except KeyError: log.exception("failed", extra={"number": -1})
    if number % 300 == 9:
        log.warning("x" * 100_000, extra={"number": -2})
"""


def cri_lines(line: bytes) -> Iterator[bytes]:
    """Yield the lines that containerd writes for one line of stdout."""
    stamp = datetime.now(UTC).isoformat().encode()
    while len(line) > CRI_CUT:
        yield stamp + b" stdout P " + line[:CRI_CUT] + b"\n"
        line = line[CRI_CUT:]
    yield stamp + b" stdout F " + line + b"\n"


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Path]:
    """Run rsyslog on `container.log` in the given directory; it writes `events.json`."""
    (tmp_path / "container.log").touch()
    configuration = tmp_path / "rsyslog.conf"
    configuration.write_text(
        CONFIGURATION.format(
            work=tmp_path,
            log=tmp_path / "container.log",
            out=tmp_path / "events.json",
            refused=tmp_path / "refused",
        )
    )
    modules = Path(str(RSYSLOGD)).parents[1] / "lib" / "x86_64-linux-gnu" / "rsyslog"
    more = ["-M", str(modules)] if modules.is_dir() else []
    command = [str(RSYSLOGD), "-n", "-f", str(configuration), "-i", str(tmp_path / "pid"), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield tmp_path
        finally:
            process.kill()


@needs_rsyslog
def test_every_line_of_a_container_arrives_as_an_object(collector: Path) -> None:
    """Whatever is logged, nothing is cut in two, refused or out of order."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(APP)], capture_output=True, env=environ, check=True
    ).stdout.splitlines()
    with (collector / "container.log").open("ab", buffering=0) as file:
        for line in said:
            for piece in cri_lines(line):
                file.write(piece)
    sent = [json.loads(line) for line in said]
    received = wait_for(collector / "events.json", len(sent))
    assert not (collector / "refused").exists()
    assert [event["number"] for event in received] == [event["number"] for event in sent]
    assert received == sent


def wait_for(path: Path, count: int) -> list[dict[str, Any]]:
    """Return the events in a file once there are `count` of them."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        if len(lines) >= count:
            return [json.loads(line) for line in lines]
        time.sleep(0.05)
    raise AssertionError(f"{len(lines)} of {count} events arrived in {TIMEOUT:g} s")
