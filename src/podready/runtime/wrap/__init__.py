"""podready.wrap: the runtime inside a server that is not ours."""
