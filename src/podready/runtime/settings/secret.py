"""A value that shows stars wherever it is printed, logged or formatted."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)

MASK: Final = "**********"


class Secret(Generic[T_co]):
    """Holds a secret value; `reveal()` is the only way to see it.

    >>> key = Secret("hunter2")
    >>> f"{key} {key!r}"
    "********** Secret('**********')"
    >>> key.reveal()
    'hunter2'
    """

    __slots__ = ("_value",)
    _value: T_co

    def __init__(self, value: T_co) -> None:
        object.__setattr__(self, "_value", value)

    def reveal(self) -> T_co:
        """Return the value itself."""
        return self._value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Secret cannot be changed (attribute {name!r})")

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and bool(self._value == other._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> tuple[type[Secret[T_co]], tuple[T_co]]:
        return (Secret, (self._value,))
