"""URLs as a type of settings: checked when read, and without their password when shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Self

from podready.runtime.settings.report import mask_userinfo

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_BEGIN: Final = re.compile(r"[a-z][a-z0-9+.\-]*://", re.ASCII | re.IGNORECASE)


class Url(str):
    """A URL with a scheme: a `str` that has the URL's parts as attributes.

    `repr` masks user and password; `str` is the whole URL, because drivers need it. Where it
    holds a password, `Secret[Url]` keeps it out of everything.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Return the URL; ValueError for any other text."""
        if not _BEGIN.match(text) or re.search(r"[\s\x00-\x1f]", text):
            raise ValueError("is not a URL such as https://host/path")
        url = super().__new__(cls, text)
        try:
            url.parts.port  # noqa: B018 - reading it is the check
        except ValueError:
            raise ValueError("is not a URL: its host or port is not valid") from None
        return url

    @property
    def parts(self) -> SplitResult:
        """The URL divided, by the standard library's `urlsplit`."""
        from urllib.parse import urlsplit

        return urlsplit(str(self))

    @property
    def scheme(self) -> str:
        """The part before `://`, in lower case."""
        return self.parts.scheme

    @property
    def host(self) -> str | None:
        """The host's name or address; None without one (`sqlite:///file`)."""
        return self.parts.hostname

    @property
    def port(self) -> int | None:
        """The port, if the URL names one."""
        return self.parts.port

    def __repr__(self) -> str:
        return f"Url({mask_userinfo(str(self))!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Url, (str(self),))
