"""A rollout under load: which client lost which request, why, and the fix."""
