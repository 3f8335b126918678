"""The parent of the worker processes: it starts, watches and replaces them, and renews their leases."""
