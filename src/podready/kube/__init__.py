"""The Kubernetes API: pure functions over plain dicts, no sockets."""
