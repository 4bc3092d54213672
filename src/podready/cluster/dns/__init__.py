"""Names of Services for pods (CoreDNS' place)."""
