"""How every other part reaches the API server (client-go's place)."""
