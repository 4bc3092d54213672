"""HTTP servers the worker can run, one file each, picked by a table of dotted names."""
