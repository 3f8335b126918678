r"""
The JSON of the standard library, without what `json.dumps` and `json.loads` set up at every call: a third of the time for a small message.

An interpreter without the same C accelerator uses the public functions. Where msgspec is installed, it reads JSON, in half the time. What it refuses, the
standard library reads: numbers that are no JSON, halves of surrogate pairs, and what is an error there, too. So the values and the errors are the same.
msgspec does not write JSON here, since its text is another one: ``é`` for ``\\u00e9``, ``1e16`` for ``1e+16``, ``null`` for ``NaN``.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
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


def loads_plainly(text: str) -> object:
    """Return the value that *text* is, as the standard library reads it. Raises ValueError or RecursionError."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return cast(object, _DECODER.decode(text))  # leading space, or an error with its position
    return value if end == len(text) else _DECODER.decode(text)


def _make_loads() -> Callable[[str], object]:
    if find_spec("msgspec") is None:
        return loads_plainly
    decode: Callable[[str], object] | None = None
    refusals: tuple[type[Exception], ...] = ()

    def loads(text: str) -> object:
        nonlocal decode, refusals
        if decode is None:  # a program that only sends reads nothing, and does not import it
            decode, refusals = _fast_decoder()
        try:
            return decode(text)
        except refusals:
            return loads_plainly(text)

    return loads


def _fast_decoder() -> tuple[Callable[[str], object], tuple[type[Exception], ...]]:
    """Return the decoder of msgspec, and the errors with which it refuses a text; what is installed may be broken."""
    try:
        import msgspec
    except ImportError:
        return loads_plainly, ()
    return msgspec.json.Decoder().decode, (msgspec.MsgspecError, UnicodeEncodeError, RecursionError)


loads = _make_loads()
"""Return the value that a text is. Raises ValueError or RecursionError."""
