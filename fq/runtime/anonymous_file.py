"""`anonymous_file`: memory that processes share by a descriptor, and that ends with the last of them. Shell."""

import os
import tempfile


def anonymous_file(name: str, size: int) -> int:
    """Return the descriptor of a file of *size* bytes, all zero, that has no path; the operating system may show *name* for it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(name)
    elif os.name == "nt":  # where what is open cannot be unlinked
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    else:
        descriptor, path = tempfile.mkstemp()
        os.unlink(path)  # noqa: PTH108  # the descriptor alone is needed
    os.ftruncate(descriptor, size)
    return descriptor
