"""Pages, pictures and data files out of evaluate's results."""
