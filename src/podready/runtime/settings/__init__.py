"""Typed settings from environment variables; apps import them from `podready.settings`."""
