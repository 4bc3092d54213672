"""Calls of the app that fail as calls: it takes other arguments, or returns what is no answer.

The interface is judged before the pod becomes ready (see `interface`); this is the second line
for an app whose parameters lie. A TypeError that comes from the very line that calls the app,
and not from within the app, says so.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from podready.runtime.app.health import AppHealth

_log = logging.getLogger("podready.app")
_F = TypeVar("_F", bound="Callable[..., object]")
_call_sites: set[CodeType] = set()


def call_site(function: _F) -> _F:
    """Mark a function of podready whose own frame calls the app; it is returned as it is."""
    _call_sites.add(function.__code__)
    return function


def failed_as_call(error: BaseException) -> bool:
    """Return whether `error` was raised by the call of the app, not inside the app."""
    if not isinstance(error, TypeError) or error.__traceback__ is None:
        return False
    step = error.__traceback__
    while step.tb_next is not None:
        step = step.tb_next
    return step.tb_frame.f_code in _call_sites


class CallFailures:
    """How often the app could not be called; it makes the pod unready while nothing else worked.

    One answer that worked shows that the interface is right, so an app that fails so for some
    requests only keeps its readiness: a client must not be able to take a pod out of service.
    """

    def __init__(self, health: AppHealth) -> None:
        self.count = 0
        self._health = health

    def note(self, error: BaseException, *, worked: bool) -> None:
        """Take in what a request raised; `worked` says whether any other was served."""
        if not failed_as_call(error):
            return
        self.count += 1
        health = self._health
        if not worked and health.uncallable is None:
            health.uncallable = f"the app cannot be called as its interface says: {error}"
            _log.critical("%s; this pod is not ready until a request succeeds", health.uncallable)
            health.changed()

    def recheck(self, *, worked: bool) -> None:
        """Put the pod back once a request was served; called by heartbeats."""
        health = self._health
        if worked and health.uncallable is not None:
            health.uncallable = None
            health.changed()
