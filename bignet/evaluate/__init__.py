"""How good an embedding is: the exact kNN graph and everything computed from it."""
