"""Messages to residents and their delivery."""
