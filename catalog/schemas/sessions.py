"""The table `sessions`: recordings that share one clock.

Declares only. A session is the set of its cameras: another camera or another offset makes another
session, and the old one stays for what was derived from it.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

SESSION_CAMERA = pa.struct(
    [
        pa.field("camera_id", pa.string(), nullable=False),
        pa.field("recording_id", pa.string(), nullable=False),
        pa.field("offset_ns", pa.int64(), nullable=False),
        pa.field("drift_ppb", pa.int64()),
        pa.field("clock_confidence", pa.float64()),
    ]
)

SESSIONS = Table(
    name="sessions",
    doc="One row a session: the recordings that share one clock.",
    schema=pa.schema(
        [
            column("session_id", pa.string(), "hash of its cameras, recordings and offsets"),
            column("archive_uri", pa.string(), "the archive it was first found in"),
            column("name", pa.string(), "what a person calls it: its folder or file"),
            column(
                "cameras",
                pa.list_(SESSION_CAMERA),
                "its recordings: offset_ns is where the first frame stands on the session clock, "
                "drift_ppb how much faster its clock runs, in 1e-9; null where not measured",
            ),
            column("duration_ns", pa.int64(), "from 0 to the end of the last recording"),
            column("group_id", pa.string(), "sessions that share footage have one group"),
            column("split", pa.string(), "train or heldout; one for a whole group, for good"),
            column("clock_status", pa.string(), "how the clocks were found, or that they were not"),
            column("calibration", pa.string(), "camera matrices and poses as JSON", null=True),
            column("clocking", pa.string(), "digest of what its clocks were found by", null=True),
            column("flow_run_id", pa.string(), "the flow run that found it"),
        ]
    ),
    key=("session_id",),
    sort_by=("archive_uri", "name"),
    volatile=("flow_run_id", "archive_uri", "name"),
)
