"""The HTTP front door and the registry behind it (kube-apiserver's place)."""
