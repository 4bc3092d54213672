"""The app of hello_flask on gunicorn: podready is one line at the end, and structlog's writer."""

import hashlib
import hmac
import time

import structlog
from flask import Flask, Response, request

import podready
from podready.logs.structlog import use_structlog


class AppSettings(podready.Settings):
    """Everything that differs between a desk, dev and prd."""

    production: bool = podready.var(default=False, doc="true in prd")
    secret_key: podready.Secret[str] = podready.var(doc="signs answers; any long random text")


settings = AppSettings.load()
use_structlog()
log = structlog.get_logger("own_server")

flask = Flask("own_server")


@flask.get("/")
def hello() -> Response:
    """Greet."""
    return Response("Hello, World!", mimetype="text/plain")


@flask.get("/slow")
def slow() -> Response:
    """Answer after two seconds: the request that a careless stop would cut."""
    time.sleep(2)
    return Response("Hello, after two seconds!", mimetype="text/plain")


@flask.post("/echo")
def echo() -> Response:
    """Send the body back with a signature by SECRET_KEY."""
    body = request.get_data()
    signature = hmac.new(settings.secret_key.reveal().encode(), body, hashlib.sha256).hexdigest()
    log.info("echoed", bytes=len(body))
    return Response(body, headers={"x-signature": signature})


app = podready.wrap(flask)
log.info("configured", production=settings.production)
