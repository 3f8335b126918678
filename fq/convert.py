"""Re-exports ``fq.wire.convert``, values by their annotations, under its former path until 1.0."""

from fq.wire.convert import ConversionError, Convert, TypeCodec, at_path, codec_for, converter, decoder, encoder, from_json, to_json

__all__ = ["ConversionError", "Convert", "TypeCodec", "at_path", "codec_for", "converter", "decoder", "encoder", "from_json", "to_json"]
