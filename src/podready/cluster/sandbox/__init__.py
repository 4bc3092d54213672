"""How a pod becomes processes: one interface, one file for each way."""
