"""`Host`: what a layer may ask of the app that it is in."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Host(Protocol):
    """An app, as its layers see it: it holds what they share."""

    def singleton(self, factory: Callable[[Any], T], /) -> T:
        """Return ``factory(app)``, which is called once in an app."""
        ...
