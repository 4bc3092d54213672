"""The subresources of objects: scale, binding, eviction, log."""
