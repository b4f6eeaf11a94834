"""Handing a caller on: what may be attempted, the attempt, and our own call to a human."""
