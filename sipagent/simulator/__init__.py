"""A simulated Realtime server and caller, for demo, tests and load. Never imported by the server."""
