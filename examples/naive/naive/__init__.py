"""The app of examples/hello as most people ship it."""
