"""When a call of ours is placed, and whether: dials, their queue, pace, caps and retries."""
