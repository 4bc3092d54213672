"""The app over WSGI: a greeting, an echo and a slow answer, each in a thread of its own."""

import hashlib
import hmac
import logging
import time

from flask import Flask, Response, request

import podready
from hello_flask.database import ping
from hello_flask.settings import AppSettings

settings = AppSettings.load()
log = logging.getLogger("hello")
log.info("configured", extra={"production": settings.production, "hosts": settings.hosts})

app = Flask("hello_flask")


@podready.check("database", critical=True)
def database() -> None:
    """Take the pod out of service while its database does not answer."""
    ping(settings.database_url.reveal())


@app.get("/")
def hello() -> Response:
    """Greet."""
    return Response("Hello, World!", mimetype="text/plain")


@app.get("/healthz")
def healthz() -> Response:
    """Say that the app itself answers; Kubernetes asks podready's admin port instead."""
    return Response("OK!", mimetype="text/plain")


@app.get("/slow")
def slow() -> Response:
    """Answer after two seconds: the request that a careless stop would cut."""
    time.sleep(2)
    return Response("Hello, after two seconds!", mimetype="text/plain")


@app.post("/echo")
def echo() -> Response:
    """Send the body back with a signature by SECRET_KEY."""
    body = request.get_data()
    signature = hmac.new(settings.secret_key.reveal().encode(), body, hashlib.sha256).hexdigest()
    log.info("echoed", extra={"bytes": len(body)})
    return Response(body, headers={"x-signature": signature})
