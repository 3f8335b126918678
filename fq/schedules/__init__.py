"""Schedules, as pure functions: when they tick, what is due, and what a tick enqueues. `fq.worker.process.scheduler` fires them."""
