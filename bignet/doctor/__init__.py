"""Whether this machine can extract, how fast, and what to change."""
