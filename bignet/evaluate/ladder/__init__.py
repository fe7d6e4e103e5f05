"""Storage and index compared: what fewer bytes or a faster search cost in neighbours and in scores."""
