"""No test leaves anything behind in the process: the test that does fails, by name.

Around each test, and around each file for its fixtures, the state of the process is looked at
before and after. What differs is told and put back, so that nobody else fails for it. pytest
itself takes care of `warnings` (each test has its own filters); the random generator and caches
are nobody's promise.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import locale
import logging
import logging.config
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

ENDING_SECONDS: Final = 5.0
"""Seconds in which a thread, a process or a descriptor that is about to end may end."""


class Kind(NamedTuple):
    """One kind of state; `look` is cheap, because each test looks twice."""

    name: str
    look: Callable[[], Any]
    put_back: Callable[[Any], object] = lambda before: None
    ends: bool = False
    """What a test has ended ends a moment later; nothing else of it may be new."""


# --- the interpreter's own


_SYS_NAMES: Final = (
    "stdin", "stdout", "stderr", "__stdout__", "__stderr__",
    "excepthook", "unraisablehook", "displayhook", "breakpointhook",
)  # fmt: skip


def _sys_names() -> dict[str, object]:
    return {name: getattr(sys, name) for name in _SYS_NAMES}


def _put_back_sys_names(before: dict[str, object]) -> None:
    for name, value in before.items():
        setattr(sys, name, value)


def _import_lists() -> dict[str, tuple[object, ...]]:
    """Return the paths, and the finders; a package may bring one of its own with its import."""
    finders = tuple(each for each in sys.meta_path if not _is_of_a_package(each))
    return {"path": tuple(sys.path), "path_hooks": tuple(sys.path_hooks), "meta_path": finders}


def _is_of_a_package(finder: object) -> bool:
    module = getattr(finder, "__module__", type(finder).__module__)
    return module.partition(".")[0] not in ("tests", "__main__")


def _put_back_import_lists(before: dict[str, tuple[object, ...]]) -> None:
    packages = tuple(each for each in sys.meta_path if _is_of_a_package(each))
    for name, values in before.items():
        more = packages if name == "meta_path" else ()
        getattr(sys, name)[:] = (*more, *values)


def _modules_of_tests() -> frozenset[str]:
    """Return the modules that come from a temporary folder: of another test's `main`, say."""
    return frozenset(
        name
        for name, module in tuple(sys.modules.items())
        if (file := getattr(module, "__file__", None) or "").startswith(_TEMPORARY)
        and not file.startswith(_OURS)
    )


_TEMPORARY: Final = ("/tmp/", "/var/tmp/")
_OURS: Final = (f"{Path(__file__).parents[1]}/", f"{sys.prefix}/", f"{sys.base_prefix}/")
"""A checkout or an environment may lie in a temporary folder, too."""


def _forget_modules(before: frozenset[str]) -> None:
    for name in _modules_of_tests() - before:
        del sys.modules[name]


def _environment() -> dict[str, str]:
    environ = dict(os.environ)
    environ.pop("PYTEST_CURRENT_TEST", None)  # pytest's own word about where it is
    return environ


def _put_back_environment(before: dict[str, str]) -> None:
    for name in _environment().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _folder() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return "one that is gone"


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _limits() -> dict[str, tuple[int, int]]:
    kinds = ("RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_AS")
    return {name: resource.getrlimit(getattr(resource, name)) for name in kinds}


def _put_back_limits(before: dict[str, tuple[int, int]]) -> None:
    for name, limits in before.items():
        resource.setrlimit(getattr(resource, name), limits)


_GC_WATCHERS_OF_OTHERS: Final = ("hypothesis",)


def _collector() -> tuple[object, ...]:
    callbacks = tuple(
        each
        for each in gc.callbacks
        if not str(getattr(each, "__module__", "")).startswith(_GC_WATCHERS_OF_OTHERS)
    )
    return gc.isenabled(), gc.get_freeze_count() > 0, gc.get_threshold(), callbacks


def _put_back_collector(before: tuple[Any, ...]) -> None:
    enabled, frozen, threshold, callbacks = before
    (gc.enable if enabled else gc.disable)()
    if not frozen:
        gc.unfreeze()
    gc.set_threshold(*threshold)
    for each in [each for each in _collector()[3] if each not in callbacks]:  # type: ignore[attr-defined]
        gc.callbacks.remove(each)


# --- signals


def _wakeup_fd() -> int:
    number = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(number)
    return number


def _handlers() -> dict[str, object]:
    return {number.name: _handler(number) for number in _SIGNALS}


def _handler(number: signal.Signals) -> object:
    """Return a handler; pytest-timeout has a new one for each test, and none once it fails."""
    handler = signal.getsignal(number)
    if number is signal.SIGALRM and handler is signal.SIG_DFL:
        return "pytest"
    return "pytest" if getattr(handler, "__module__", "") == "pytest_timeout" else handler


_SIGNALS: Final = [number for number in signal.Signals if number not in {9, 19}]


def _put_back_handlers(before: dict[str, Any]) -> None:
    for name, handler in before.items():
        if handler != "pytest" and signal.getsignal(signal.Signals[name]) is not handler:
            signal.signal(signal.Signals[name], handler or signal.SIG_DFL)


def _blocked_signals() -> frozenset[int]:
    return frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, []))


# --- asyncio


def _policy() -> object:
    return _events._get_event_loop_policy()


_events: Final[Any] = asyncio.events
if not hasattr(_events, "_get_event_loop_policy"):  # before Python 3.14
    _events._get_event_loop_policy = asyncio.get_event_loop_policy


def _put_back_policy(before: Any) -> None:
    getattr(_events, "_set_event_loop_policy", asyncio.set_event_loop_policy)(before)


def _current_loop() -> object:
    """Return a loop that is set as the thread's, unless it is closed: then it is nobody's."""
    loop = getattr(getattr(_policy(), "_local", None), "_loop", None)
    return None if loop is None or loop.is_closed() else loop


def _close_loop(before: object) -> None:
    loop = _current_loop()
    if isinstance(loop, asyncio.AbstractEventLoop) and loop is not before:
        loop.close()
        asyncio.set_event_loop(None)


def _context() -> dict[str, object]:
    """Return the context variables of the main thread that are podready's."""
    return {
        variable.name: value
        for variable, value in contextvars.copy_context().items()
        if variable.name.startswith("podready") and value is not None
    }


def _put_back_context(before: dict[str, object]) -> None:
    for variable in contextvars.copy_context():
        if variable.name in _context().keys() | before.keys():
            variable.set(before.get(variable.name))


# --- logging


def _logging() -> dict[str, object]:
    root = logging.getLogger()
    return {
        "root's level": root.level,
        "root's handlers": tuple(root.handlers),
        "root's filters": tuple(root.filters),
        "disable": root.manager.disable,
        "the class of loggers": logging.getLoggerClass(),
        "the factory of records": logging.getLogRecordFactory(),
        "raiseExceptions": logging.raiseExceptions,
        "lastResort": logging.lastResort,
        "basicConfig": logging.basicConfig,
        "dictConfig": logging.config.DictConfigurator.configure,
    }


def _put_back_logging(before: dict[str, Any]) -> None:
    root, configurator = logging.getLogger(), logging.config.DictConfigurator
    root.setLevel(before["root's level"])
    root.handlers[:], root.filters[:] = before["root's handlers"], before["root's filters"]
    logging.disable(before["disable"])
    logging.setLoggerClass(before["the class of loggers"])
    logging.setLogRecordFactory(before["the factory of records"])
    logging.raiseExceptions, logging.lastResort = before["raiseExceptions"], before["lastResort"]
    logging.basicConfig = before["basicConfig"]
    configurator.configure = before["dictConfig"]  # type: ignore[method-assign]


_LoggerState = tuple[int, tuple[object, ...], bool, bool]
_UNTOUCHED: Final[_LoggerState] = (0, (), True, False)


def _loggers() -> dict[str, _LoggerState]:
    """Return every logger that somebody has changed; those of the libraries' imports are new."""
    return {
        name: (each.level, tuple(each.handlers), each.propagate, each.disabled)
        for name, each in tuple(logging.root.manager.loggerDict.items())
        if isinstance(each, logging.Logger)
        and (each.level or each.handlers or not each.propagate or each.disabled)
    }


def _put_back_loggers(before: dict[str, _LoggerState]) -> None:
    for name in {**_loggers(), **before}:
        logger = logging.getLogger(name)
        level, handlers, logger.propagate, logger.disabled = before.get(name, _UNTOUCHED)
        logger.setLevel(level)
        logger.handlers[:] = handlers  # type: ignore[assignment]


# --- podready's own


def _own_log() -> tuple[object, ...]:
    """Return whether podready's log is configured, and the levels that were asked for."""
    module = sys.modules.get("podready.runtime.logs.log")
    if module is None:
        return False, 20, {}, {}
    levels = module.LOG.levels
    named = {name: level for name, level in levels._base.items() if name}
    return module.LOG.is_configured, levels._base[""], named, dict(levels._over)


def _put_back_own_log(before: tuple[Any, ...]) -> None:
    log = sys.modules["podready.runtime.logs.log"].LOG
    log.is_configured, root, named, over = before
    levels = log.levels  # whose own methods would set the standard library's levels, too
    levels._base, levels._over = {"": root, **named}, dict(over)
    for name, each in levels._filters.items():
        each.level = levels.of(name)


# --- what runs or is open


def _threads() -> frozenset[threading.Thread]:
    return frozenset(threading.enumerate())


def _children() -> frozenset[str]:
    """Return this process's children; whether there are any is asked first, at next to no cost."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return frozenset()
    return frozenset(filter(None, map(_child, _PROC.iterdir())))


def _child(process: Path) -> str | None:
    """Return what shows a child process; None for a process of somebody else."""
    with suppress(OSError):
        state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
        if int(parent) == os.getpid():
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            return f"{process.name} {command[:200] or state}"
    return None


_PROC: Final = Path("/proc")


def _kill_children(before: frozenset[str]) -> None:
    for child in _children() - before:
        pid = int(child.split()[0])
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _descriptors() -> frozenset[str]:
    found = set()
    for descriptor in (_PROC / "self/fd").iterdir():
        with suppress(OSError):  # that of the listing
            target = str(descriptor.readlink())
            if target.startswith(("socket:", "pipe:", "anon_inode:", *_TEMPORARY)):
                found.add(f"{descriptor.name} -> {target}")
    return frozenset(found)


KINDS: Final = (
    Kind("environment", _environment, _put_back_environment),
    Kind("working directory", _folder, os.chdir),
    Kind("umask", _umask, os.umask),
    Kind("limits", _limits, _put_back_limits),
    Kind("locale", lambda: locale.setlocale(locale.LC_ALL),
         lambda before: locale.setlocale(locale.LC_ALL, before)),
    Kind("time zone", lambda: time.tzname, lambda before: time.tzset()),
    Kind("sys", _sys_names, _put_back_sys_names),
    Kind("imports", _import_lists, _put_back_import_lists),
    Kind("modules of tests", _modules_of_tests, _forget_modules),
    Kind("switch interval", sys.getswitchinterval, sys.setswitchinterval),
    Kind("threading.excepthook", lambda: threading.excepthook,
         lambda before: setattr(threading, "excepthook", before)),
    Kind("garbage collector", _collector, _put_back_collector),
    Kind("signal handlers", _handlers, _put_back_handlers),
    Kind("blocked signals", _blocked_signals,
         lambda before: signal.pthread_sigmask(signal.SIG_SETMASK, before)),
    Kind("signal wakeup fd", _wakeup_fd, signal.set_wakeup_fd),
    Kind("event loop policy", _policy, _put_back_policy),
    Kind("current event loop", _current_loop, _close_loop),
    Kind("context variables", _context, _put_back_context),
    Kind("logging", _logging, _put_back_logging),
    Kind("loggers", _loggers, _put_back_loggers),
    Kind("podready's log", _own_log, _put_back_own_log),
    Kind("threads", _threads, ends=True),
    Kind("children", _children, _kill_children, ends=True),
    Kind("descriptors", _descriptors, ends=True),
)  # fmt: skip


def look() -> list[Any]:
    """Return the state of the process, one value for each kind."""
    return [kind.look() for kind in KINDS]


def left_behind(before: list[Any]) -> list[str]:
    """Return what differs from `before`, in words, and put it back."""
    found = []
    for kind, old in zip(KINDS, before, strict=True):
        if _is_left(kind, old, kind.look()) and (words := _after_a_while(kind, old)):
            found.append(f"{kind.name}: {words}")
            kind.put_back(old)
    return found


def _is_left(kind: Kind, old: Any, new: Any) -> bool:
    return bool(new - old) if kind.ends else bool(new != old)


def _after_a_while(kind: Kind, old: Any) -> str:
    """Return the difference in words once it has had its time to go away."""
    deadline = time.monotonic() + (ENDING_SECONDS if kind.ends else 0)
    gc.collect()
    while _is_left(kind, old, new := kind.look()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return _words(kind, old, new) if _is_left(kind, old, new) else ""


def _words(kind: Kind, old: Any, new: Any) -> str:
    if kind.ends:
        return ", ".join(sorted(map(str, new - old)))
    if isinstance(old, dict):
        names = [name for name in {**old, **new} if old.get(name, _GONE) != new.get(name, _GONE)]
        return ", ".join(
            f"{name} {old.get(name, _GONE)!r} -> {new.get(name, _GONE)!r}" for name in names
        )
    return f"{old!r} -> {new!r}"


class _Gone:
    def __repr__(self) -> str:
        return "(none)"


_GONE: Final = _Gone()


def _watched(who: str) -> Iterator[None]:
    before = look()
    yield
    if found := left_behind(before):
        pytest.fail("\n  ".join([f"{who} leaves behind:", *found]), pytrace=False)


@pytest.fixture(scope="module", autouse=True)
def nothing_left_by_a_file(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a file whose own fixtures leave something behind; with its last test."""
    yield from _watched(str(request.node.nodeid))


@pytest.fixture(autouse=True)
def nothing_left_by_a_test(
    request: pytest.FixtureRequest, nothing_left_by_a_file: None
) -> Iterator[None]:
    """Fail a test that leaves something behind."""
    yield from _watched(str(request.node.nodeid))
