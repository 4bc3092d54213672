"""What runs inside the user's pod: start, answer probes, log, drain, stop. Imports stay lean.

Private: modules here move without notice. Users import from `podready` and its public modules
(`podready.checks`, `podready.tracing`, ...), which re-export what is theirs to use.
"""
