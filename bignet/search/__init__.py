"""Search: what was asked -> vectors; a filter -> rows; both -> the most similar images, and how they were found."""
