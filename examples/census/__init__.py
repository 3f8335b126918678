"""
A census of Python's standard library: one message per source file, run by worker processes.

``python -m examples.census`` runs it. ``tasks.py`` declares the actors, ``figures.py`` sums their results, ``__main__.py`` sends the messages,
starts the workers and prints the table.
"""

from examples.census.tasks import app

__all__ = ["app"]
