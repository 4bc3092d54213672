"""Everything that differs between a desk, dev and prd comes from the environment."""

import os
import tempfile
from pathlib import Path

import podready

_SCRATCH = f"sqlite:///{tempfile.gettempdir()}/hello-flask-{os.getuid()}.db"


class AppSettings(podready.Settings):
    """The app's settings; the name of each variable is the field's name in upper case."""

    home: Path = podready.var(default="/", doc="home of the app's user")
    port: int = podready.var(default=3000, doc="where `podready run` listens; the image sets it")
    production: bool = podready.var(default=False, doc="true in prd")
    hosts: list[str] = podready.var(default=(), separator=":", doc="peers, divided by colons")
    secret_key: podready.Secret[str] = podready.var(doc="signs answers; any long random text")
    database_url: podready.Secret[str] = podready.var(
        default=_SCRATCH, doc="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
    )
