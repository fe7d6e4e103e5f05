"""Nearest-neighbour search over a store's vectors, and index files that say what they belong to."""
