"""`App`: actors, their stack and their broker; sending one call or many."""

from fq.app.app import App

__all__ = ["App"]
