"""A small web app with everything that podready looks after (WSGI)."""
