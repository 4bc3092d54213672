"""Why each request was lost, and what helps."""
