"""
A census of Python's own standard library: one message a source file, counted by worker processes.

``python -m examples.census`` runs it; ``tasks.py`` declares the actors, ``figures.py`` adds up what they found, ``__main__.py`` sends the
messages, starts the workers and prints the table.
"""

from examples.census.tasks import app

__all__ = ["app"]
