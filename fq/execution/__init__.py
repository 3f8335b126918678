"""Turns one claimed message into one commit: the stack of its actor runs it, and the outcome is encoded for the broker."""
