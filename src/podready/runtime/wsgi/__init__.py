"""A WSGI app on the ASGI engine."""
