"""The command line: ``fq``. Each command has a file; ``fq.cli.common`` has what they share."""

from fq.cli.main import main

__all__ = ["main"]
