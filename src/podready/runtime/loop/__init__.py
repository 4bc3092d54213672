"""PID 1's selectors loop, its pipes and listeners."""
