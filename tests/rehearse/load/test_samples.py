"""The sample file: what is written is read, whole lines only, by its owner only."""

from __future__ import annotations

import stat
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from podready.rehearse.load.plan import Connection, Outcome, Sample
from podready.rehearse.load.samples import SampleFile, read_samples

SAMPLE = Sample(
    index=3,
    kind="hello",
    method="GET",
    connection=Connection.POOLED,
    intended=12.25,
    sent=12.5,
    first_byte=0.0,
    done=13.0,
    outcome=Outcome.RESET,
    status=0,
    bytes=17,
    pod="default/hello-1",
    node=2,
    conn_id=9,
    reused=True,
    conn_age=4.125,
    error="ECONNRESET",
)


def write(path: Path, *samples: Sample) -> None:
    """Write samples to a file."""
    file = SampleFile(path)
    for sample in samples:
        file.write(astuple(sample))
    file.close()


def test_samples_come_back_in_the_order_of_their_index(tmp_path: Path) -> None:
    """Written as their fates are known, read as they were planned; enums and all."""
    first, second = replace(SAMPLE, index=1, outcome=Outcome.OK), SAMPLE
    write(tmp_path / "s", second, first)
    assert read_samples(tmp_path / "s") == [first, second]
    assert isinstance(read_samples(tmp_path / "s")[0].connection, Connection)


def test_a_file_that_ends_early_is_read_to_its_last_whole_line(tmp_path: Path) -> None:
    """A killed generator leaves half a line; what came before it counts."""
    write(tmp_path / "s", SAMPLE, replace(SAMPLE, index=4))
    data = (tmp_path / "s").read_bytes()
    (tmp_path / "s").write_bytes(data[:-20])
    assert read_samples(tmp_path / "s") == [SAMPLE]


def test_another_file_is_refused(tmp_path: Path) -> None:
    """A file of another version is said to be one."""
    (tmp_path / "s").write_bytes(b'{"schema": "something"}\n')
    with pytest.raises(ValueError, match="not a podready"):
        read_samples(tmp_path / "s")


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    """Samples name pods and paths: 0600."""
    write(tmp_path / "s", SAMPLE)
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
