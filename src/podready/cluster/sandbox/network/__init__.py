"""Network namespaces from the inside: links, addresses, routes, listening sockets."""
