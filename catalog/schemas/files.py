"""The table `files`: what each member of an archive was when it was last looked at.

Declares only. A log: every look appends; `sql/current_files.sql` keeps the latest of each member.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

FILES = Table(
    name="files",
    doc="A log of sightings: what each member of an archive was when it was looked at.",
    schema=pa.schema(
        [
            column("archive_uri", pa.string(), "the archive's one name: an absolute path or URI"),
            column("member", pa.string(), "path inside the archive, with forward slashes"),
            column(
                "byte_offset",
                pa.int64(),
                "where the member's bytes start in the archive's file, or its header if packed; "
                "null: it is a file itself",
                null=True,
            ),
            column(
                "packed",
                pa.bool_(),
                "the member is compressed in a tar or zip; null: it is not",
                null=True,
            ),
            column("size_bytes", pa.int64(), "size as listed"),
            column("mtime_ns", pa.int64(), "time of last change as listed, since 1970"),
            column(
                "file_id",
                pa.string(),
                "BLAKE3 of the bytes; null where they could not be read",
                null=True,
            ),
            column("recordings", pa.list_(pa.string()), "recording_id of each video stream"),
            column(
                "session_id",
                pa.string(),
                "the session its recordings belong to; null where it gave none",
                null=True,
            ),
            column(
                "place",
                pa.string(),
                "where it stands: members of unlike places never share a session",
                null=True,
            ),
            column("hint", pa.string(), "what a manifest says of it, JSON", null=True),
            column(
                "forming",
                pa.string(),
                "digest of what its session and clips were formed by",
                null=True,
            ),
            column("status", pa.string(), "present, quarantined, duplicate or gone"),
            column("seen_ns", pa.int64(), "when it was looked at, since 1970"),
            column("flow_run_id", pa.string(), "the flow run that looked"),
        ]
    ),
    sort_by=("archive_uri", "member"),
)
