"""Turns pods bound to this node into processes and tells the API how they fare."""
