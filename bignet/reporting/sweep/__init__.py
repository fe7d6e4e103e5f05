"""The page, the record and the table of a sweep; computes nothing."""
