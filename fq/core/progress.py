"""`Progress`: what a running actor has done so far, as the holder of the handle sees it."""

from attrs import frozen


@frozen
class Progress:
    """
    The latest that a running actor has told by `progress`.

    >>> half = Progress(5, of=10, note="page 5")
    >>> str(half), half.fraction
    ('5 of 10: page 5', 0.5)

    Attributes:
        done: what is done: a number, or any other value, as JSON.

        of: the number that *done* will reach; None if it is not known.

        note: a line for people.

        at: when it was told, ms since the epoch on the broker's clock.
    """

    done: object
    of: float | None = None
    note: str = ""
    at: int = 0

    @property
    def fraction(self) -> float | None:
        """How much of it is done, from 0 to 1; None if that is not known."""
        if self.of is None or not isinstance(self.done, int | float) or not self.of > 0:
            return None
        return self.done / self.of if 0 < self.done < self.of else float(self.done >= self.of)

    def __str__(self) -> str:
        counted = f"{self.done}" if self.of is None else f"{self.done} of {self.of}"
        return f"{counted}: {self.note}" if self.note else counted
