"""The table `shots`: the longest spans of a recording without a cut. Declares only."""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

SHOTS = Table(
    name="shots",
    doc="One row a shot of one camera: the longest span without a cut.",
    schema=pa.schema(
        [
            column("session_id", pa.string(), "its session"),
            column("camera_id", pa.string(), "its camera"),
            column("recording_id", pa.string(), "the recording it was found in"),
            column("start_ns", pa.int64(), "first instant, on the session clock"),
            column("end_ns", pa.int64(), "first instant after it, on the session clock"),
            column("kind", pa.string(), "what ends it: cut, fade, dissolve, damage, or end"),
            column("forming", pa.string(), "digest of what it was found by: settings, source"),
            column("flow_run_id", pa.string(), "the flow run that found it"),
        ]
    ),
    key=("session_id", "camera_id", "start_ns", "forming"),
    sort_by=("session_id", "camera_id", "start_ns"),
)
