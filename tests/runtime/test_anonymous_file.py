"""Memory behind a descriptor, with or without the system call for it."""

import mmap
import os

import pytest

from fq.runtime.anonymous_file import anonymous_file


@pytest.mark.parametrize("has_memfd", [True, False])
def test_what_is_written_through_one_map_is_read_through_another(monkeypatch: pytest.MonkeyPatch, has_memfd: bool) -> None:
    if not has_memfd:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    descriptor = anonymous_file("fq-test", 4_096)
    writer, reader = mmap.mmap(descriptor, 4_096), mmap.mmap(descriptor, 4_096)
    before = reader[:2]
    writer[:2] = b"fq"

    assert (before, reader[:2], os.fstat(descriptor).st_size) == (b"\0\0", b"fq", 4_096)
    os.close(descriptor)
