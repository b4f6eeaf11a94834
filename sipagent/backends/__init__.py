"""Voice backends: pure vendor protocols and one shared WebSocket shell."""
