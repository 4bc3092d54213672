"""Requests in flight: count, measure, route, limit, locate."""
