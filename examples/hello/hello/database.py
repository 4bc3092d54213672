"""One question to the database: are you there? SQLite by default, PostgreSQL by URL."""

import sqlite3
from contextlib import closing


def ping(url: str, timeout: float = 2.0) -> None:
    """Connect, ask, and hang up; raises what the driver raises when the database is not there."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=timeout)) as lite:
            lite.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return
    import psycopg  # in the image; on your desk only if you use PostgreSQL

    with psycopg.connect(url, connect_timeout=int(timeout)) as postgres:
        postgres.execute("SELECT 1").fetchone()
