"""Requests under way: count, observe, route, limit, locate."""
