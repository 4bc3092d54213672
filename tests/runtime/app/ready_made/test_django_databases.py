"""The Django check in a project of its own process, for Django is configured once and for all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.examples.postgres import Server as PostgresServer

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
from urllib.parse import urlsplit
import django
from django.conf import settings
from podready.checks import check_django

url = urlsplit(sys.argv[1])
postgres = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "hello",
            "PASSWORD": url.password, "HOST": url.hostname, "PORT": url.port}
settings.configure(DATABASES={
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    "main": postgres,
    "gone": {**postgres, "PORT": 1},
})
django.setup()
check_django("default", "main")()
print("good")
try:
    check_django()()
except django.db.OperationalError as error:
    print(error)
"""


@pytest.mark.postgres
def test_all_databases_or_those_named(postgres: PostgresServer, tmp_path: Path) -> None:
    """The named ones answer; of all together the one that is gone fails the check."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, postgres.url],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, _, rest = done.stdout.partition("\n")
    assert first == "good"
    assert "port 1 failed" in rest
