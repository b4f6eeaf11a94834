"""The phone side of a leg: sockets, the audio paths, recording, and whoever else hears the call."""
