"""`sample`: some of the variants of a test that takes long. With ``FQ_ALL_SERVERS=1`` in the environment, as in CI, all of them run."""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

RUNS_ALL = bool(os.environ.get("FQ_ALL_SERVERS"))


def sample(variants: Sequence[T], step: int) -> Sequence[T]:
    """Return each *step*-th of *variants*, from the first on."""
    return variants if RUNS_ALL else variants[::step]
