"""A catalog of many recordings that were never there, and the folder of empty files it is of.

Writes real data files of the real tables and a tree of files below a folder. Every recording is a
session of one camera, four seconds long, in two clips; a file has a size and no bytes on the disk.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from catalog import ids
from catalog.datafile import write_file
from catalog.schemas.clips import CLIPS
from catalog.schemas.files import FILES
from catalog.schemas.recordings import RECORDINGS
from catalog.schemas.sessions import SESSIONS
from catalog.span import SECOND_NS, Span, split
from catalog.store import Catalog
from tasks.archives.contents import archive_uri
from tasks.ingest.plan import forming_digest
from tasks.sessions.layout import Hint, place_of, places

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.datafile import WrittenFile
    from catalog.table import Table
    from infra.settings import Settings

ROWS_A_FILE = 20_000
FILES_A_FOLDER = 500
SIZE_BYTES, MTIME_NS = 4_000_000, 1_750_000_000 * SECOND_NS
DURATION_NS = 4 * SECOND_NS
TABLES = (RECORDINGS, CLIPS, SESSIONS, FILES)
# What a value is that nobody here asks for.
BLANK = {pa.string(): "", pa.bool_(): False, pa.binary(): bytes(64)}


def members(count: int) -> list[str]:
    """Return the paths inside the archive, ascending."""
    return [f"day{k // FILES_A_FOLDER:05}/rec{k:07}.mp4" for k in range(count)]


def make_archive(folder: Path, count: int) -> None:
    """Make the files: a size, a time of change, not one byte stored."""
    for k, member in enumerate(members(count)):
        path = f"{folder}/{member}"
        if k % FILES_A_FOLDER == 0:
            os.makedirs(os.path.dirname(path))  # noqa: PTH103, PTH120  a million of them: 6 x pathlib
        handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
        os.ftruncate(handle, SIZE_BYTES)
        os.utime(handle, ns=(MTIME_NS, MTIME_NS))
        os.close(handle)


def make_catalog(settings: Settings, folder: Path, count: int) -> None:
    """Commit everything a finished ingest of the archive would have left, in files of 20,000."""
    catalog, uri = Catalog(settings.catalog), archive_uri(folder)
    names, random = members(count), np.random.default_rng(0)
    written: dict[Table, list[WrittenFile]] = {table: [] for table in TABLES}
    for first in range(0, count, ROWS_A_FILE):
        batch = names[first : first + ROWS_A_FILE]
        for table, columns in _columns(batch, uri, random, settings).items():
            rows = filled(table, columns)
            written[table].append(write_file(table, rows, catalog.uri))
    with catalog.locked():
        for table, files in written.items():
            # Past the look for known keys, which there cannot be: it would take most of the time.
            catalog._add(table, catalog._log(table), files, 0)


def filled(table: Table, columns: dict[str, Any]) -> pa.Table:
    """Return rows of a table from some of its columns; the rest is null, or blank where it may not.

    So a column that the table gains later needs no change here.
    """
    count = len(next(iter(columns.values())))
    arrays = []
    for field in table.schema:
        if field.name in columns:
            arrays.append(pa.array(columns[field.name], field.type))
        elif field.nullable:
            arrays.append(pa.nulls(count, field.type))
        else:
            blank = [] if pa.types.is_list(field.type) else BLANK.get(field.type, 0)
            arrays.append(pa.array([blank] * count, field.type))
    return pa.Table.from_arrays(arrays, schema=table.schema)


def _columns(
    batch: list[str], uri: str, random: np.random.Generator, settings: Settings
) -> dict[Table, dict[str, Any]]:
    count = len(batch)
    hashes, files = random.bytes(128 * count), _drawn_ids(random, count)
    standing = places(batch)
    signals = random.bytes(16 + 10 * 120)
    cameras = [standing[member].camera for member in batch]
    sessions = [ids.session_id([(c, f, 0, 0)]) for c, f in zip(cameras, files, strict=True)]
    forming = forming_digest(settings)
    spans = split(Span(0, DURATION_NS), settings.clip_max_ns, settings.clip_min_ns)
    return {
        RECORDINGS: {
            "recording_id": files,
            "file_id": files,
            "archive_uri": [uri] * count,
            "member": batch,
            "byte_size": [SIZE_BYTES] * count,
            "codec": ["h264"] * count,
            "width": [1280] * count,
            "height": [720] * count,
            "duration_ns": [DURATION_NS] * count,
            "frames_header": [120] * count,
            "frames_decoded": [120] * count,
            "signals": [signals] * count,
            "hashes": [hashes[128 * k : 128 * k + 128] for k in range(count)],
            "status": ["ok"] * count,
        },
        CLIPS: {
            # Drawn too, not hashed: half of the time, and nobody asks what they are of.
            "clip_id": _drawn_ids(random, count * len(spans)),
            "session_id": [session for session in sessions for _ in spans],
            "start_ns": [span.start_ns for _ in sessions for span in spans],
            "end_ns": [span.end_ns for _ in sessions for span in spans],
            "cameras": [[camera] for camera in cameras for _ in spans],
            "split": ["train"] * (count * len(spans)),
            "forming": [forming] * (count * len(spans)),
        },
        SESSIONS: {
            "session_id": sessions,
            "archive_uri": [uri] * count,
            "name": [standing[member].session for member in batch],
            "cameras": [
                [{"camera_id": camera, "recording_id": file, "offset_ns": 0}]
                for camera, file in zip(cameras, files, strict=True)
            ],
            "duration_ns": [DURATION_NS] * count,
            "group_id": sessions,
            "split": ["train"] * count,
            "clock_status": ["sole"] * count,
        },
        FILES: {
            "archive_uri": [uri] * count,
            "member": batch,
            "size_bytes": [SIZE_BYTES] * count,
            "mtime_ns": [MTIME_NS] * count,
            "file_id": files,
            "recordings": [[file] for file in files],
            "session_id": sessions,
            "place": [place_of(member, Hint()) for member in batch],
            "forming": [forming] * count,
            "status": ["present"] * count,
            "seen_ns": [MTIME_NS] * count,
        },
    }


def _drawn_ids(random: np.random.Generator, count: int) -> list[str]:
    digits = random.bytes(16 * count).hex()
    return [digits[32 * k : 32 * k + 32] for k in range(count)]
