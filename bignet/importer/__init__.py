"""Vectors that were made elsewhere become a store: no model, the same shards, the same guarantees."""
