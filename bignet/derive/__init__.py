"""Stores made of other stores: steps after pooling, fitted once, applied to stored vectors and to queries alike."""
