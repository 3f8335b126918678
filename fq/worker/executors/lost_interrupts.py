"""
Interrupts that Python has swallowed: what is raised in a finalizer, or in a callback of the garbage collector, it reports and drops.

An interrupt may strike there like anywhere in an actor, which would then run on for ever. So whoever was struck is told, and struck again.
"""

import sys
from functools import cache
from typing import TYPE_CHECKING

from fq.errors import Interrupt
from fq.runtime.interrupt_mask import current

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


@cache
def notice() -> None:
    """Notice from now on what is swallowed in this process. What is not an interrupt is reported as before."""
    report = sys.unraisablehook

    def hook(unraisable: "UnraisableHookArgs", /) -> None:
        struck = current.shield
        if struck is None or not issubclass(unraisable.exc_type, Interrupt):
            report(unraisable)
        else:  # the last thing done here, with no call after it: raised again before this returns, it would be swallowed again, unseen
            struck.swallowed = True

    sys.unraisablehook = hook
