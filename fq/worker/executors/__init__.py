"""What runs actors in a worker process: a thread pool and an event loop, both of which can be interrupted."""
