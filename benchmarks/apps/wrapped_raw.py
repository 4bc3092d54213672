"""Raw ASGI for those who keep their own server: the same app and one line."""

from __future__ import annotations

from benchmarks.apps.raw import app as raw

import podready

app = podready.wrap(raw)
