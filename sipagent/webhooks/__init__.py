"""Webhooks: what happens in calls, told to receivers by HTTP, signed, at least once and in order per call."""
