"""Where log lines come from: records, prints, servers, libraries."""
