"""A rollout under load: who lost which request, why, and the cure."""
