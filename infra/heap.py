"""Gives memory that a process has freed, and its C library still holds, back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Return what is free to the system; where the C library is not glibc, do nothing.

    Tensors of ever other sizes leave the heap in pieces: training preset laptop held 3.9 GiB after
    40 steps and 5.3 GiB after 300, of which 2.2 GiB were in use. Takes .1 s a time.
    """
    if sys.platform.startswith("linux"):
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):
            library.malloc_trim(0)
