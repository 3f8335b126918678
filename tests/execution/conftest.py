"""The fixtures of the tests of execution."""

from tests.every_broker import harness, kind

__all__ = ["harness", "kind"]
