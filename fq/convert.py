"""Hands on ``fq.wire.convert``, values by their annotations, under its former path, until 1.0."""

from fq.wire.convert import Coder, Convert, Misfit, at_path, coder, converter, decoder, encoder, from_json, to_json

__all__ = ["Coder", "Convert", "Misfit", "at_path", "coder", "converter", "decoder", "encoder", "from_json", "to_json"]
