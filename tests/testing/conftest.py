"""The fixtures of fq's pytest plugin, also where this very fq is not installed."""

from pytest_fq import fq_app, fq_bind, fq_clock

__all__ = ["fq_app", "fq_bind", "fq_clock"]
