"""What the tests of actors share: a record for their arguments, functions without a name of their own, and the fault of a dead letter."""

from decimal import Decimal

import attrs

from fq import App, Fault


@attrs.frozen
class Order:
    number: int
    price: Decimal


def fault_of(app: App) -> Fault:
    """Return the fault of the only dead letter of *app*."""
    (letter,) = app.broker.dead_letters()
    return letter.fault


def lambda_named(name: str) -> object:
    """Return a new function called *name*."""

    def fn() -> None: ...

    fn.__name__ = name
    return fn
