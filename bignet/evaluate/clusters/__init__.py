"""Clusters: how many there are, how firm they are, and what is in each."""
