"""What an extraction does unless it is told otherwise; numbers alone, so that help texts import nothing heavy."""

# Images between two commits, at most.
SHARD_ROWS = 1000
# Seconds one image may take to read and decode.
IMAGE_TIMEOUT = 60.0
