"""Media workers: processes that own legs."""
