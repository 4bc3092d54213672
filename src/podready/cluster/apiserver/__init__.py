"""The HTTP handlers and the registry behind them (kube-apiserver's place)."""
