"""Staying in charge when an app configures `logging` after podready did.

Django's `setup`, a `dictConfig` of the app's or a `basicConfig(force=True)` put up handlers of
their own and, by default, silence the loggers that exist already. Levels and files of theirs stay;
right after each of these calls what writes to stdout or stderr is taken over once more. hypercorn
puts up its handlers when it begins to serve, after it has imported the app.
"""

from __future__ import annotations

import logging
import logging.config
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MARK = "__podready_then__"


def after_each_configuration(then: Callable[[], None]) -> None:
    """Call `then` after every dictConfig, fileConfig and basicConfig of this process.

    Called again it replaces `then`; the functions are wrapped once.
    """
    configurator: Any = logging.config.DictConfigurator
    for owner, name in ((configurator, "configure"), (logging.config, "fileConfig")):
        _follow(owner, name, then)
    _follow(logging, "basicConfig", then)
    hypercorn: Any = sys.modules.get("hypercorn.logging")
    if hypercorn is not None:
        _follow(hypercorn.Logger, "__init__", then)


def _follow(owner: Any, name: str, then: Callable[[], None]) -> None:
    original = getattr(owner, name)
    original = getattr(original, "__wrapped__", original) if _is_ours(original) else original

    @wraps(original)
    def configure(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        then()
        return result

    setattr(configure, _MARK, True)
    setattr(owner, name, configure)


def _is_ours(function: Any) -> bool:
    return hasattr(function, _MARK)
