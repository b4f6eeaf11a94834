"""What directs a call that is on: the agent's story, tools, fallback and fresh sessions."""
