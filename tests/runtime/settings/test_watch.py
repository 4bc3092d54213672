"""Settings that follow their files: the kubelet's swap of a volume, and what can go wrong."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import podready
from podready.runtime.settings.load import Schema
from podready.runtime.settings.variable import Options
from podready.runtime.settings.watch import Watch


class Pool(podready.Settings):
    password: podready.Secret[str] = podready.var(default="none")
    size: int = 1


class Volume:
    """A ConfigMap or Secret volume as the kubelet writes it (pkg/volume/util/atomic_writer.go)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._version = 0

    def write(self, **files: str) -> None:
        """Put new versions of all files in place by one rename of `..data`."""
        self._version += 1
        folder = self.root / f"..2026_{self._version}"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
            if not (self.root / name).is_symlink():
                (self.root / name).symlink_to(f"..data/{name}")
        new = self.root / "..data_tmp"
        new.symlink_to(folder.name)
        new.rename(self.root / "..data")


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """An empty mounted volume."""
    return Volume(tmp_path)


@pytest.fixture
def told() -> list[Pool]:
    """What the callback got."""
    return []


@pytest.fixture
def watch(volume: Volume, told: list[Pool]) -> Watch[Pool]:
    """A watch that has not been started: each look is a call of `poll`."""
    volume.write(password="one", size="1")
    schema = Schema(Pool, Options(directories=(str(volume.root),)))
    return Watch(schema, schema.read({}).value, told.append, {}, every=3600)


def test_a_swap_of_the_volume_is_one_new_value(
    watch: Watch[Pool], volume: Volume, told: list[Pool]
) -> None:
    """All files change at once, as the kubelet changes them."""
    assert not watch.poll()
    volume.write(password="two", size="2")
    assert watch.poll()
    assert [(pool.password.reveal(), pool.size) for pool in told] == [("two", 2)]
    assert watch.current is told[0]
    assert not watch.poll()


def test_the_same_values_written_again_are_no_news(
    watch: Watch[Pool], volume: Volume, told: list[Pool]
) -> None:
    """The callback is for values, not for files."""
    volume.write(password="one", size="1")
    assert not watch.poll()
    assert told == []


def test_what_is_wrong_is_logged_once_and_changes_nothing(
    watch: Watch[Pool], volume: Volume, told: list[Pool], caplog: pytest.LogCaptureFixture
) -> None:
    """The app goes on with the last good settings, and takes the next good ones."""
    volume.write(password="hunter2", size="x")
    assert not watch.poll()
    assert not watch.poll()
    assert caplog.text.count('SIZE  invalid  "x" is not an integer') == 1
    assert "hunter2" not in caplog.text
    assert watch.current.size == 1
    volume.write(password="three", size="3")
    assert watch.poll()
    assert told[0].size == 3


def test_a_file_named_by_the_environment_is_followed_too(tmp_path: Path, told: list[Pool]) -> None:
    """PASSWORD_FILE, also when it is rewritten in place."""
    file = tmp_path / "password"
    file.write_text("one")
    schema = Pool.schema()
    environ = {"PASSWORD_FILE": str(file)}
    watch = Watch(schema, schema.read(environ).value, told.append, environ, every=3600)
    file.write_text("longer")
    assert watch.poll()
    assert told[0].password.reveal() == "longer"


def test_a_callback_that_fails_is_logged(volume: Volume, caplog: pytest.LogCaptureFixture) -> None:
    """And the watch goes on."""
    volume.write(size="1")
    schema = Schema(Pool, Options(directories=(str(volume.root),)))

    def fail(_: Pool) -> None:
        raise RuntimeError("pool is closed")

    watch = Watch(schema, schema.read({}).value, fail, {}, every=3600)
    volume.write(size="2")
    assert watch.poll()
    assert "pool is closed" in caplog.text
    assert watch.current.size == 2


def test_settings_watch_by_themselves_until_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: environment, thread, callback, stop."""
    file = tmp_path / "size"
    file.write_text("1")
    monkeypatch.setenv("SIZE_FILE", str(file))
    news, came = [], threading.Event()

    def take(pool: Pool) -> None:
        news.append(pool.size)
        came.set()

    with Pool.load().watch(take, every=0.01) as watch:
        file.write_text("42")
        assert came.wait(20)
    assert news == [42]
    assert watch.current.size == 42
    assert "podready-settings-watch" not in {thread.name for thread in threading.enumerate()}


def test_a_callback_may_end_its_own_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """stop() from the callback does not wait for itself."""
    file = tmp_path / "size"
    file.write_text("1")
    monkeypatch.setenv("SIZE_FILE", str(file))
    ended = threading.Event()

    def stop(_: Pool) -> None:
        watching.stop()
        ended.set()

    watching = Pool.load().watch(stop, every=0.01)
    file.write_text("42")
    assert ended.wait(20)
    watching.stop()


def test_what_changed_between_the_load_and_the_watch_is_found(
    volume: Volume, told: list[Pool]
) -> None:
    """An app loads at import and watches once it serves: seconds lie between."""
    volume.write(password="one", size="1")
    schema = Schema(Pool, Options(directories=(str(volume.root),)))
    loaded = schema.read({}).value
    volume.write(password="two", size="1")
    watch = Watch(schema, loaded, told.append, {}, every=3600)
    assert watch.poll()
    assert [pool.password.reveal() for pool in told] == ["two"]
    assert not watch.poll()


def test_without_files_there_is_nothing_to_look_at(told: list[Pool]) -> None:
    """Settings made by hand are not compared with an environment."""
    watch = Watch(Schema(Pool, Options()), Pool(size=7), told.append, {"SIZE": "x"}, every=3600)
    assert not watch.poll()
    assert told == []


def test_a_swap_under_way_is_not_read_half_and_half(
    watch: Watch[Pool], volume: Volume, told: list[Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of files that change while they are read, the next look takes all."""
    volume.write(password="two", size="2")
    read = Schema.read

    def slow(self: Schema, *args: Any, **words: Any) -> Any:
        found = read(self, *args, **words)
        monkeypatch.undo()
        volume.write(password="three", size="3")
        return found

    monkeypatch.setattr(Schema, "read", slow)
    assert not watch.poll()
    assert watch.poll()
    assert [(pool.password.reveal(), pool.size) for pool in told] == [("three", 3)]
