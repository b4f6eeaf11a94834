"""What an agent's model may call, and how it is carried out. Knows nothing of calls but their ids."""
