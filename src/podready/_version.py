"""The version of podready, for the package's metadata and for every part that reports it."""

__version__ = "0.1.0.dev0"
