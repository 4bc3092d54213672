"""The load generator: a process of its own, open loop, every planned request accounted for."""
