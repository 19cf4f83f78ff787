"""Files that are whole or not there at all.

Writes beside the target (`<path>.partial`) and moves the result into place; reads nothing.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.errors import DiskFullError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def in_place(path: Path) -> Iterator[Path]:
    """Give a path to write to, which becomes `path` at the end or is removed on any error.

    Raises:
        DiskFullError: if the disk is full.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise DiskFullError(f"The disk is full: {path} was not written.") from error
        raise
