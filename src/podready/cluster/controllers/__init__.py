"""One reconciler a file, each blind to its siblings (kube-controller-manager's place)."""
