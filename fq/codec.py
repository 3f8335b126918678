"""Re-exports ``fq.wire.codec``, messages and results as JSON bytes, under its former path until 1.0."""

from fq.wire.codec import as_json, decode, decode_result, encode, encode_result, encode_value, json_error

__all__ = ["as_json", "decode", "decode_result", "encode", "encode_result", "encode_value", "json_error"]
