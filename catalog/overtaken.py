"""What happens where another machine changed a table between our look at it and our change.

Removes data files that nobody will commit; reads nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from catalog.datafile import remove_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.datafile import WrittenFile
    from catalog.table import Table


class OvertakenError(Exception):
    """Another machine changed a table since it was looked at; nothing of ours was."""


@contextmanager
def removed_if_overtaken(
    table: Table, files: Sequence[WrittenFile], catalog_uri: str
) -> Iterator[None]:
    """Take away files that were written for a change that another machine was quicker than."""
    try:
        yield
    except OvertakenError:
        for file in files:
            remove_file(table, file.path, catalog_uri)
        raise
