"""Who may call or be called, and which agent answers. Pure."""
