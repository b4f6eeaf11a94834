"""Sounds of our own: files that are played, and tones. All of them are mono, s16le at 8000 Hz."""
