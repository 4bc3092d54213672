"""Service routing with a view of the endpoints for each virtual node (kube-proxy's place)."""
