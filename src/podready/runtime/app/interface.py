"""Which interface an app has: ASGI, WSGI, or a factory that returns the app.

It is judged from the parameters alone, because calling somebody's app to find out would have
effects. ASGI 3 calls it with three arguments and awaits the result, WSGI with two, a factory with
none; whatever fits none of them, or more than one, is refused with one sentence.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from podready.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable

AUTO: Final = "auto"
_ASGI_ARGUMENTS: Final = 3
_WSGI_ARGUMENTS: Final = 2
_EXPECTED: Final = (
    "an ASGI app takes three (scope, receive, send), a WSGI app two (environ, start_response) "
    "and a factory none"
)
_POSITIONAL: Final = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}


class Interface(StrEnum):
    """How an object that a target names is called."""

    ASGI = "asgi"
    WSGI = "wsgi"
    FACTORY = "factory"


@dataclass(frozen=True, slots=True)
class _Arguments:
    """How many positional arguments a callable takes; `most` is None for `*args`."""

    least: int
    most: int | None
    keyword: str | None = None  # a keyword argument that it cannot do without

    def fit(self, count: int) -> bool:
        """Return whether it can be called with `count` positional arguments."""
        return self.least <= count and (self.most is None or count <= self.most)

    @property
    def optional(self) -> bool:
        """Whether it can be called without any, and does not take just any number."""
        return self.least == 0 and self.most is not None


def interface_of(app: Any, name: str, wanted: str = AUTO) -> Interface:
    """Return the interface of `app`, which messages call `name`; nothing is called.

    `wanted` is auto, asgi or wsgi: what the user says it is, which decides where the parameters
    do not. Raises StartupError with one sentence for an object that no server could call.
    """
    if not callable(app):
        raise StartupError(f"{name} is {_noun_of(app)}, not an ASGI or WSGI app")
    if inspect.isclass(app):
        return _class_interface(app, name)
    call = _plain(app)
    if inspect.isasyncgenfunction(call):
        raise StartupError(f"{name} is an async generator function, which no server can call")
    arguments = _arguments_of(app)
    if arguments is None:
        return _as_declared(name, wanted)
    if arguments.keyword is not None:
        raise StartupError(
            f"{name} needs the keyword argument {arguments.keyword!r}, which no server passes"
        )
    if inspect.iscoroutinefunction(call):
        return _async_interface(arguments, name, wanted)
    if wanted != AUTO:
        return _declared_interface(arguments, call, name, wanted)
    found = _plain_interface(app, arguments, name)
    if found is Interface.ASGI or found is Interface.FACTORY:
        _refuse_generator(call, name)
    return found


def finished_app_interface(app: Any, name: str, wanted: str = AUTO) -> Interface:
    """Return asgi or wsgi for an app that is used as it is; as `interface_of`, but for factories.

    Raises StartupError for a factory too.
    """
    interface = interface_of(app, name, wanted)
    if interface is Interface.FACTORY:
        raise StartupError(f"{name} is a factory: call it, and use what it returns")
    return interface


def _class_interface(app: type, name: str) -> Interface:
    """A class is an app only where its instances are what a server awaits or iterates over."""
    arguments = _arguments_of(app)
    if arguments is not None and arguments.keyword is None:
        if arguments.least == _ASGI_ARGUMENTS and hasattr(app, "__await__"):
            return Interface.ASGI
        if arguments.least == _WSGI_ARGUMENTS and hasattr(app, "__iter__"):
            return Interface.WSGI
    if inspect.iscoroutinefunction(getattr(app, "__call__", None)):  # noqa: B004
        arguments = _arguments_of(app.__call__)
        if arguments is not None and arguments.least == _ASGI_ARGUMENTS:  # self, receive, send
            raise StartupError(
                f"{name} is an ASGI 2 app, and podready speaks ASGI 3: wrap it in "
                "asgiref.compatibility.guarantee_single_callable"
            )
    raise StartupError(
        f"{name} is the class {app.__name__}, not an app: name an instance of it, or a function "
        "that returns one"
    )


def _async_interface(arguments: _Arguments, name: str, wanted: str) -> Interface:
    if wanted == Interface.WSGI:
        raise StartupError(f"{name} is a coroutine function, so it is no WSGI app")
    declared = wanted == Interface.ASGI
    if arguments.fit(_ASGI_ARGUMENTS) and (declared or not arguments.optional):
        return Interface.ASGI
    if arguments.fit(0):
        raise StartupError(
            f"{name} is an async factory, which no server awaits: make it a plain function, and "
            "do what must be awaited in the app's lifespan"
        )
    raise StartupError(
        f"{name} is a coroutine function that takes {_count(arguments)}; an ASGI app takes "
        "three (scope, receive, send)"
    )


def _declared_interface(
    arguments: _Arguments, call: Callable[..., Any], name: str, wanted: str
) -> Interface:
    asgi = wanted == Interface.ASGI
    if arguments.fit(_ASGI_ARGUMENTS if asgi else _WSGI_ARGUMENTS):
        if asgi:
            _refuse_generator(call, name)
        return Interface(wanted)
    if arguments.optional:
        _refuse_generator(call, name)
        return Interface.FACTORY
    raise StartupError(
        f"{name} takes {_count(arguments)}, so it is no {wanted.upper()} app: {_EXPECTED}"
    )


def _plain_interface(app: Any, arguments: _Arguments, name: str) -> Interface:
    """Judge a callable that is no coroutine function."""
    if arguments.optional:
        return Interface.FACTORY
    if arguments.most is None and arguments.least < _WSGI_ARGUMENTS:
        return _wrapped_interface(app, name)
    if arguments.least == _WSGI_ARGUMENTS:
        return Interface.WSGI
    if arguments.least == _ASGI_ARGUMENTS:
        return Interface.ASGI
    if arguments.least == arguments.most == 1:
        raise StartupError(
            f"{name} takes 1 argument, as ASGI 2 apps and factories with a setting do; podready "
            "speaks ASGI 3 and WSGI, and calls a factory without arguments"
        )
    raise StartupError(f"{name} takes {_count(arguments)}, so it is no app: {_EXPECTED}")


def _wrapped_interface(app: Any, name: str) -> Interface:
    """Judge a decorated app that takes `*args` by the function under the decorator."""
    wrapped = getattr(app, "__wrapped__", None)
    if wrapped is None or inspect.isclass(wrapped):
        return _as_declared(name, AUTO)
    try:
        return interface_of(wrapped, name)
    except StartupError:
        return _as_declared(name, AUTO)


def _as_declared(name: str, wanted: str) -> Interface:
    """Return what the user says of an app whose parameters say nothing."""
    if wanted == AUTO:
        raise StartupError(
            f"the parameters of {name} do not say whether it is an ASGI or a WSGI app: add "
            "--interface asgi or wsgi"
        )
    return Interface(wanted)


def _refuse_generator(call: Callable[..., Any], name: str) -> None:
    """Only a WSGI app may be a generator function, for a server iterates over its answer."""
    if inspect.isgeneratorfunction(call):
        raise StartupError(
            f"{name} is a generator function, which only a WSGI app can be, and a WSGI app takes "
            "two arguments (environ, start_response)"
        )


def _plain(app: Any) -> Any:
    """Return the function that runs when `app` is called, for what kind of function it is."""
    while isinstance(app, partial):
        app = app.func
    if inspect.isroutine(app) or inspect.isfunction(app):
        return app
    call = _bound_call(app)
    while isinstance(call, partial):
        call = call.func
    return call


def _bound_call(app: Any) -> Any:
    """Return what Python calls for `app(...)`: `__call__` of its type, bound to it."""
    call = getattr(type(app), "__call__", None)  # noqa: B004 - wanted as it is, not bound
    bind = getattr(type(call), "__get__", None)
    try:
        return call if bind is None else bind(call, app, type(app))
    except Exception:  # noqa: BLE001 - somebody's descriptor
        return call


def _arguments_of(app: Any) -> _Arguments | None:
    """Return the arguments of `app` itself, not of a function it decorates; None if unknown."""
    for each in (app, _bound_call(app)):
        try:
            signature = inspect.signature(each, follow_wrapped=False)
        except Exception:  # noqa: BLE001, S112 - of C, or a `__signature__` of somebody's own
            continue
        return _count_arguments(signature)
    return None


def _count_arguments(signature: inspect.Signature) -> _Arguments:
    parameters = signature.parameters.values()
    positional = [each for each in parameters if each.kind in _POSITIONAL]
    least = sum(each.default is each.empty for each in positional)
    endless = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    needed = [
        each.name
        for each in parameters
        if each.kind is each.KEYWORD_ONLY and each.default is each.empty
    ]
    return _Arguments(least, None if endless else len(positional), next(iter(needed), None))


def _count(arguments: _Arguments) -> str:
    least, most = arguments.least, arguments.most
    if most is None:
        return f"{least} or more arguments"
    if least != most:
        return f"{least} to {most} arguments"
    return "1 argument" if most == 1 else f"{most} arguments"


def _noun_of(value: Any) -> str:
    if value is None:
        return "None"
    noun = type(value).__name__
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"
