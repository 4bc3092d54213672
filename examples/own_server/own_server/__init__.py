"""An app that keeps its own server."""
