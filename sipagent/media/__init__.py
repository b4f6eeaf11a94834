"""The audio path of a leg and its recording."""
