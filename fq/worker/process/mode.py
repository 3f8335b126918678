"""`Mode`: what a dispatcher does."""

from enum import IntEnum, auto


class Mode(IntEnum):
    """What a dispatcher does; but for the first two, a mode is followed only by later ones."""

    CLAIMING = auto()
    PAUSED = auto()
    """Claims nothing for now."""
    DRAINING = auto()
    """Claims nothing more, and commits what finishes."""
    STOPPING = auto()
    """Commits what has finished, hands back the rest, and ends."""
