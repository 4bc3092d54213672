"""Objects, resourceVersion, conflicts and watch history (etcd's place)."""
