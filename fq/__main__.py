"""``python -m fq`` is ``fq``."""

from fq.cli import main

main(prog_name="fq")
