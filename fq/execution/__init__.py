"""One claimed message becomes one commit: the stack of its actor runs it, and its outcome is encoded for the broker."""
