"""What runs actors in a worker process: a thread pool and an event loop. Both can interrupt an actor."""
