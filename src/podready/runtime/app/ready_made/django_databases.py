"""The databases of a Django project: each is connected to, and answers SELECT 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def check_django(*aliases: str) -> Callable[[], None]:
    """Return a check of the databases called `aliases`, of all in DATABASES when none is named.

    It runs on a thread of its own, where Django makes connections of its own, and closes them
    after each run: the connections of the requests are left alone. Timeouts are the driver's:
    for PostgreSQL set OPTIONS = {"connect_timeout": 2}.
    """

    def check() -> None:
        from django.db import connections  # type: ignore[import-untyped]  # none are published

        for alias in aliases or tuple(connections):
            connection = connections[alias]
            try:
                with connection.cursor() as cursor:
                    cursor.execute(f"SELECT 1{connection.features.bare_select_suffix}")
            finally:
                connection.close()

    return check
