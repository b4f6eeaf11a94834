"""Media workers: processes that own legs, and what the control process has of them."""
