"""A worker process: it claims messages, hands them to its executors, and commits their outcomes."""
