"""What every metric is called, says and computes, one file a family."""
