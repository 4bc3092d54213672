"""What `kubectl get` shows of each kind: its columns (pkg/printers/internalversion/printers.go)."""
