"""Many embeddings of the same images: which to take, at what cost. Arrays in, plain data out; torch never comes in."""
