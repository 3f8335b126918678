"""What a layer is, and how layers compose into one handler."""
