"""PID 1: forks workers, keeps readiness, answers signals, shuts down."""
