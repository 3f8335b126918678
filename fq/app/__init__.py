"""`App`: where actors, a stack and a broker meet; sending, in bulk too, and loading an app by its name."""

from fq.app.app import App

__all__ = ["App"]
