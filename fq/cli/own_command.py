"""`find_shadow`: is another program called ``fq``, too, and found first?"""

import shutil
from pathlib import Path

from fq.brokers.findings import Finding

READ_BYTES = 1 << 20


def find_shadow(search_path: str | None = None) -> Finding | None:
    """
    Return a finding if the command ``fq`` is not this program: Debian has another, a jq for binary files. None if it is, or if there is none.

    *search_path* is ``$PATH`` by default.
    """
    found = shutil.which("fq", path=search_path)
    if found is None or _is_ours(Path(found)):
        return None
    return Finding("command fq", "warn", f"{found}, which is another program", "type: python -m fq")


def _is_ours(command: Path) -> bool:
    """Does the file start `fq.cli`? The script that an installer writes names it."""
    try:
        with command.open("rb") as file:
            return b"fq.cli" in file.read(READ_BYTES)
    except OSError:
        return True  # it cannot be read, so nothing is known
