"""What runs inside the user's pod: start, answer probes, log, drain, stop. Imports stay lean."""
