"""podready inside a server that is not ours: what `podready.wrap` does in each of its processes."""
