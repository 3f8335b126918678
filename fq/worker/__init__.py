"""
The worker: `supervisor` is the parent process; `process` and `executors` make up each child, which claims messages and runs actors.

`job` is the way of one message through it.
"""
