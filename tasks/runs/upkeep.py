"""What keeps a catalog quick and an archive's backfill in steps.

Rewrites small files of every table; lists archives.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.compaction import compact
from catalog.schemas.registry import TABLES
from catalog.store import Catalog
from infra.errors import ArchiveEmptyError
from tasks.archives.contents import archive_uri, list_archive
from tasks.archives.objects import is_object_uri

if TYPE_CHECKING:
    from infra.settings import Settings

# Fewer than a flow's own compaction waits for: nobody is waiting for this one.
FEW_FILES = 4


def compact_tables(settings: Settings) -> dict[str, Any]:
    """Make few files of many in every table; return how many files went, by table."""
    catalog = Catalog(settings.catalog)
    gone = {table.name: compact(catalog, table, many=FEW_FILES) for table in TABLES.values()}
    return {"files_compacted": {name: count for name, count in gone.items() if count}}


def folders_of(
    settings: Settings, archive: str, first: str | int | None, last: str | int | None
) -> list[str]:
    """Return the folders right below an archive, by name, those from `first` to `last`.

    Prefect's command reads a name of digits as a number; it is the name all the same.

    Raises:
        ArchiveNotFoundError, ArchiveUnreadableError: the archive cannot be listed.
        ArchiveEmptyError: no folder with recordings is in the range.
    """
    first, last = (None if name is None else str(name) for name in (first, last))
    uri = archive_uri(archive)
    if is_object_uri(uri) or not Path(uri).is_dir():
        members = (entry.member for entry in list_archive(uri, settings))
        names = {member.partition("/")[0] for member in members if "/" in member}
    else:
        names = {one.name for one in Path(uri).iterdir() if one.is_dir()}
    place, mark, query = uri.partition("?")
    found = [
        f"{place.rstrip('/')}/{name}{mark}{query}"
        for name in sorted(names)
        if (first is None or name >= first) and (last is None or name <= last)
    ]
    if not found:
        raise ArchiveEmptyError(
            f"{uri} has no folder between {first or 'its first'} and {last or 'its last'}.",
            command=f"stillhouse ingest {uri} --dry-run",
        )
    return found
