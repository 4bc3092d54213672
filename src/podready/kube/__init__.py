"""The words of the Kubernetes API: pure functions over plain dicts, no sockets."""
