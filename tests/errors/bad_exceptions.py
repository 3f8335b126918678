"""Exceptions with a traceback, and one that raises whenever it is read."""


def raised(error: BaseException) -> BaseException:
    """Return *error*, with a traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


class Hostile(Exception):
    """Raises at every look that its class can get in the way of."""

    def __str__(self) -> str:
        raise SystemExit

    __repr__ = __str__

    def __getattr__(self, name: str) -> object:
        raise KeyError(name)

    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise RuntimeError("no class")

    @property
    def __traceback__(self) -> None:  # type: ignore[override]
        raise RuntimeError("no traceback")

    @property
    def __cause__(self) -> None:  # type: ignore[override]
        raise RuntimeError("no cause")

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise RuntimeError("no notes")
