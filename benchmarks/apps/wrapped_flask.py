"""Flask for those who keep their own server: the same app and one line."""

from __future__ import annotations

from benchmarks.apps.flask_hello import app as flask

import podready

app = podready.wrap(flask)
