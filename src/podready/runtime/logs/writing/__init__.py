"""How a log line reaches stdout, whatever reads it."""
