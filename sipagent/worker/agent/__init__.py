"""The agent's side of a leg: its backend, what waits in playout, and who has the floor."""
