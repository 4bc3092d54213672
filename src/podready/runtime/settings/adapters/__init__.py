"""Settings classes of other libraries, taken as they are: the same report, the same commands.

from podready.settings import adapt

config = adapt(AppConfig, prefix="APP_")  # pydantic-settings, attrs, msgspec, or a dataclass
settings = config.load()

None of the libraries is imported before a class of theirs is seen, and none is required.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podready.runtime.settings.base import Settings
from podready.runtime.settings.load import Schema
from podready.runtime.settings.variable import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podready.runtime.settings.variable import Unknown

__all__ = ["adapt"]


def adapt(
    kind: Any,
    *,
    prefix: str = "",
    unknown: Unknown = "error",
    delimiter: str = "_",
    directories: Sequence[str] = (),
    env_file: str | None = None,
    unset_secrets: bool = False,
) -> Schema:
    """Return what loads and describes a class of another library.

    The options are those of `Settings`. A pydantic-settings class is loaded by pydantic-settings
    itself, so its own configuration counts: of the options only `unknown` and `unset_secrets`
    count then. A `Settings` class comes with its own options. Raises TypeError for a class without
    fields, or with a field of an unknown type.
    """
    if isinstance(kind, type) and issubclass(kind, Settings):
        return kind.schema()
    if hasattr(kind, "settings_customise_sources"):
        from podready.runtime.settings.adapters.pydantic_settings import PydanticSchema

        return PydanticSchema(kind, Options(unknown=unknown, unset_secrets=unset_secrets))
    options = Options(
        prefix=prefix,
        unknown=unknown,
        delimiter=delimiter,
        directories=tuple(map(str, directories)),
        env_file=env_file,
        unset_secrets=unset_secrets,
    )
    return Schema(kind, options)
