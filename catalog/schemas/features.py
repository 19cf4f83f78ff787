"""The table `features`: what one view says of one clip through one camera.

Declares only. Dense arrays are bytes (measured: 5-13 x faster to write, 2-4 x to read than lists
of fixed size); shape and dtype are in the view's spec, under the view's version.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

FEATURES = Table(
    name="features",
    doc="One row a clip, camera, view and version: what the view says of the clip.",
    schema=pa.schema(
        [
            column("clip_id", pa.string(), "its clip"),
            column("session_id", pa.string(), "its session"),
            column("camera_id", pa.string(), "its camera"),
            column("view", pa.string(), "the view's name"),
            column("version", pa.string(), "digest of all that can change what the view says"),
            column("given", pa.string(), "digest of the labels or calibration it used"),
            column("start_ns", pa.int64(), "first grid instant, on the session clock"),
            column("end_ns", pa.int64(), "first instant after the clip, on the session clock"),
            column("steps", pa.int32(), "grid instants in the clip: T"),
            column(
                "data", pa.binary(), "the view's arrays one after the other, each T x its shape"
            ),
            column("mask", pa.binary(), "T bits, first step highest: present and usable"),
            column(
                "scales",
                pa.list_(pa.float64()),
                "what a stored integer of each array is multiplied with; 1 for other arrays",
            ),
            column("vector", pa.list_(pa.float32()), "the clip's global vector", null=True),
            column("absent", pa.string(), "why no step is usable; null if one is", null=True),
            column("flow_run_id", pa.string(), "the flow run that computed it"),
        ]
    ),
    key=("clip_id", "camera_id", "view", "version", "given"),
    partition_by=("view", "version"),
    sort_by=("session_id", "camera_id", "start_ns"),
    # A row is 10-100 KB: small groups keep the look-up of one clip to a few megabytes.
    row_group_rows=128,
    plain_columns=("data", "mask", "scales", "vector"),
)
