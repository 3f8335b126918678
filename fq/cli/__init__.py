"""The command line: ``fq``. One file a command; ``fq.cli.common`` has what they share."""

from fq.cli.main import main

__all__ = ["main"]
