"""One file per command; console.py is the only printer."""
