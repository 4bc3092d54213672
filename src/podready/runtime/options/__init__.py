"""A table of settings: flags, variables, help."""
