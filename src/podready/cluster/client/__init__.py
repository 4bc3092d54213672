"""How everything else speaks to the API server (client-go's place)."""
