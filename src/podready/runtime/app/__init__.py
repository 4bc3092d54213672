"""The user's app: load it, its lifespan, hooks, checks and shutdown notice."""
