"""URLs of settings: checked when read, masked when shown."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podready.runtime.settings.report import mask_userinfo
from podready.runtime.settings.types.urls import Url


def test_a_url_is_a_text_with_parts() -> None:
    """Drivers get the whole text, people get no password."""
    url = Url("postgresql://ana:hunter2@db.shop:5432/orders?sslmode=require")
    assert (url.scheme, url.host, url.port, url.parts.path) == (
        "postgresql", "db.shop", 5432, "/orders",
    )  # fmt: skip
    assert str(url) == "postgresql://ana:hunter2@db.shop:5432/orders?sslmode=require"
    assert repr(url) == "Url('postgresql://***@db.shop:5432/orders?sslmode=require')"
    assert pickle.loads(pickle.dumps(url)) == url
    assert Url("sqlite:///orders.db").host is None


@pytest.mark.parametrize(
    "text", ["", "db", "//db", "http:/db", "http://d b", "http://db:99999", "http://[::1", "1://x"]
)
def test_what_is_no_url_is_refused(text: str) -> None:
    """A ValueError with an example, never with the text."""
    with pytest.raises(ValueError, match="is not a URL") as raised:
        Url(text)
    assert not text or text not in str(raised.value)


@given(st.text())
def test_any_text_gives_a_url_or_a_value_error(text: str) -> None:
    """Nothing else comes out."""
    try:
        assert Url(f"http://{text}").startswith("http://")
    except ValueError:
        pass


@pytest.mark.slow
@given(
    user=st.text(alphabet="abc:/?#%", max_size=8),
    password=st.text(alphabet="XYZ@:/?#%", min_size=3, max_size=12),
)
def test_no_password_survives_the_mask(user: str, password: str) -> None:
    """Not even one with signs that should have been escaped."""
    masked = mask_userinfo(f"redis://{user}:{password}@cache:6379/0")
    assert masked == "redis://***@cache:6379/0"
