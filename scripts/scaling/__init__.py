"""How a broadcast grows with the number of nodes, on the fake network."""
