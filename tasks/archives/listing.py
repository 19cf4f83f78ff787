"""An archive's listing as columns: what each member is now, and where it stands.

Reads the archive's listing, no file; writes nothing. A million members are one Arrow table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from catalog.comparison import LISTED, compare
from infra.errors import ArchiveEmptyError
from infra.observability import log_facts, progress
from tasks.archives.contents import archive_uri, list_archive
from tasks.sessions.layout import Hint, place_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from catalog.comparison import Comparison
    from catalog.snapshot import Snapshot
    from infra.settings import Settings
    from tasks.archives.contents import Entry

BATCH = 65_536


@dataclass(frozen=True, slots=True)
class Listing:
    """The members of one archive now. `unnamed` of them have names that no table can keep."""

    uri: str
    table: pa.Table
    unnamed: int

    def compare(self, snapshot: Snapshot, refusing: str) -> AbstractContextManager[Comparison]:
        """Hold it against a snapshot (see `catalog.comparison`)."""
        return compare(snapshot, self.uri, self.table, refusing)

    def __len__(self) -> int:
        """Return the number of members, those without a usable name too."""
        return int(self.table.num_rows) + self.unnamed


def read_listing(location: str, settings: Settings) -> Listing:
    """List an archive.

    Raises:
        ArchiveNotFoundError, ArchiveUnreadableError, ArchiveEmptyError: nothing can be ingested.
    """
    batches, unnamed = [], 0
    columns: dict[str, list[Any]] = {name: [] for name in LISTED.names}
    with progress("list", None, "files") as bar:
        for entry in list_archive(location, settings):
            bar.advance(1)
            if not _is_text(entry.member):
                unnamed += 1
                log_facts("name_is_not_text", member=repr(entry.member))
                continue
            for name, value in _row(entry).items():
                columns[name].append(value)
            if len(columns["member"]) == BATCH:
                batches.append(pa.RecordBatch.from_pydict(columns, schema=LISTED))
                columns = {name: [] for name in LISTED.names}
    batches.append(pa.RecordBatch.from_pydict(columns, schema=LISTED))
    listing = Listing(archive_uri(location), pa.Table.from_batches(batches), unnamed)
    if not len(listing):
        raise ArchiveEmptyError(
            f"The archive {listing.uri} holds no recording.", command="stillhouse ingest FOLDER"
        )
    return listing


def _row(entry: Entry) -> dict[str, Any]:
    hint = {"session": entry.session, "camera": entry.camera, "labels": entry.labels}
    return {
        "member": entry.member,
        "size_bytes": entry.size_bytes,
        "mtime_ns": entry.mtime_ns,
        "byte_offset": entry.byte_offset,
        "packed": entry.packed,
        "place": place_of(entry.member, Hint(entry.session, entry.camera)),
        "hint": json.dumps(hint) if any(hint.values()) else None,
    }


def _is_text(name: str) -> bool:
    """Tell whether a file name can be kept in a table: bytes that are not UTF-8 cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
