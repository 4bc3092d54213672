"""What a log line looks like: one file a format."""
