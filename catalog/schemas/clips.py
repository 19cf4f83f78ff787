"""The table `clips`: spans within one shot, the unit of features, codes and generation.

Declares only.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

CLIPS = Table(
    name="clips",
    doc="One row a clip: a span within one shot, with the cameras that saw all of it.",
    schema=pa.schema(
        [
            column("clip_id", pa.string(), "hash of session and span"),
            column("session_id", pa.string(), "its session"),
            column("start_ns", pa.int64(), "first instant, on the session clock"),
            column("end_ns", pa.int64(), "first instant after it, on the session clock"),
            column("cameras", pa.list_(pa.string()), "camera_id of those present in all of it"),
            column("split", pa.string(), "train or heldout, as its session"),
            column("forming", pa.string(), "digest of what it was cut by: settings, source"),
            column("shot_index", pa.int64(), "cuts of the session before it"),
            column("flow_run_id", pa.string(), "the flow run that cut it"),
        ]
    ),
    key=("clip_id", "forming"),
    sort_by=("session_id", "start_ns"),
)
