"""Re-exports ``fq.wire.convert``, values by their annotations, under its former path until 1.0."""

from fq.wire.convert import ConversionError, Convert, TypeCodec, at_path, codec_for, converter, decoder, encoder, from_json, to_json

Coder, coder, Misfit = TypeCodec, codec_for, ConversionError

__all__ = [
    "Coder",
    "ConversionError",
    "Convert",
    "Misfit",
    "TypeCodec",
    "at_path",
    "codec_for",
    "coder",
    "converter",
    "decoder",
    "encoder",
    "from_json",
    "to_json",
]
