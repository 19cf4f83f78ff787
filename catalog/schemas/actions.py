"""The table `actions`: what was recognised in which stretch of a clip, and where in the picture.

Declares only. Windows of a clip that follow each other and are told the same are one row.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

ACTIONS = Table(
    name="actions",
    doc="One row a stretch of a clip and label: what was recognised, how surely, and where.",
    schema=pa.schema(
        [
            column("generation_id", pa.string(), "the generation that shows it"),
            column("clip_id", pa.string(), "the clip"),
            column("session_id", pa.string(), "its session"),
            column("camera_id", pa.string(), "the camera whose picture box and joints are of"),
            column("label", pa.string(), "the likeliest action"),
            column("score", pa.float64(), "its probability as the model says, 0 to 1"),
            column("runner_up", pa.string(), "the next likeliest action", null=True),
            column("start_ns", pa.int64(), "first instant, on the session clock"),
            column("end_ns", pa.int64(), "first instant after it"),
            column("track_id", pa.int32(), "its track in the view tracks; null: none", null=True),
            column(
                "box",
                pa.list_(pa.float32()),
                "x0, y0, x1, y1, 0 to 1, of the track half-way; empty: no track",
            ),
            column(
                "joints",
                pa.list_(pa.float32()),
                "33 joints, x, y, visibility each, half-way; empty: no person",
            ),
            column("flow_run_id", pa.string(), "the flow run that made it"),
        ]
    ),
    key=("generation_id", "start_ns"),
    sort_by=("session_id", "clip_id", "camera_id", "start_ns"),
)
