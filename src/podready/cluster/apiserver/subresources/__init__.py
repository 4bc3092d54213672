"""What stands below an object's path: scale, binding, eviction, log."""
