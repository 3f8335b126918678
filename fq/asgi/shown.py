"""`finite`: a value that every reader of JSON understands. Pure."""

import math


def finite(value: object) -> object:
    """
    Return *value*, which is JSON, with None in the place of numbers that JSON has no form for. Browsers refuse the forms that Python writes.

    >>> finite({"mean": float("nan"), "all": [1, 2.5, float("inf")]})
    {'mean': None, 'all': [1, 2.5, None]}
    """
    match value:
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [finite(each) for each in value]
        case dict():
            return {name: finite(each) for name, each in value.items()}
        case _:
            return value
