"""What is kept and told of a call: its record, the call log, what it cost, and what the outside is shown."""
