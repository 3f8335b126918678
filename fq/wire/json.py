"""
The JSON of the standard library, without what `json.dumps` and `json.loads` set up at every call: a third of the time for a small message.

An interpreter without the same C accelerator uses the public functions.
"""

import json
from collections.abc import Callable
from json import encoder as _encoder
from typing import cast

_COMPACT = json.JSONEncoder(separators=(",", ":"))
_DECODER = json.JSONDecoder()
_scan: Callable[[str, int], tuple[object, int]] = _DECODER.scan_once  # type: ignore[attr-defined]  # not in the stubs


def _make_dumps() -> Callable[[object], str]:
    try:
        encode = _encoder.c_make_encoder(None, _COMPACT.default, _encoder.encode_basestring_ascii, None, ":", ",", False, False, True)  # type: ignore[attr-defined]  # not in the stubs
        if "".join(encode({"a": [1, "é", None]}, 0)) != _COMPACT.encode({"a": [1, "é", None]}):
            return _COMPACT.encode
    except (AttributeError, TypeError):
        return _COMPACT.encode
    return lambda value: "".join(encode(value, 0))


dumps = _make_dumps()
"""Return a value as compact ASCII JSON. Raises TypeError, ValueError or RecursionError."""


quoted: Callable[[str], str] = _encoder.encode_basestring_ascii
"""Return a string as ASCII JSON. Raises TypeError."""


def loads(text: str) -> object:
    """Return the value that *text* is. Raises ValueError or RecursionError."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return cast(object, _DECODER.decode(text))  # leading space, or an error with its position
    return value if end == len(text) else _DECODER.decode(text)
