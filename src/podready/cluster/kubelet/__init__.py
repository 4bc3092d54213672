"""Turns pods bound to this node into processes and reports their status to the API."""
