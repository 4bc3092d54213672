"""Probes: when one runs, and what it sends (pkg/kubelet/prober and pkg/probe)."""
