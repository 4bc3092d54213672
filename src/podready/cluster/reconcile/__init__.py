"""Workqueue and control loop (controller-runtime's place)."""
