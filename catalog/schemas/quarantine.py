"""The table `quarantine`: what was refused, at which stage, why, and the evidence.

Declares only. Nothing is skipped in silence: an input that is not done is a row here or stops
the run.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

QUARANTINE = Table(
    name="quarantine",
    doc="One row a refusal: what, at which stage, why, and the evidence.",
    schema=pa.schema(
        [
            column("item_id", pa.string(), "file_id, clip_id or generation_id"),
            column(
                "kind", pa.string(), "what was refused: file, span (of a file), clip or generation"
            ),
            column("stage", pa.string(), "the flow that refused it: ingest, extract, ..."),
            column("reason", pa.string(), "a stable word: not_a_video, decode_timeout, ..."),
            column("detail", pa.string(), "the evidence, for people"),
            column("archive_uri", pa.string(), "the archive it came from", null=True),
            column("member", pa.string(), "the member it came from", null=True),
            column("camera_id", pa.string(), "the camera refused; null: all", null=True),
            column("view", pa.string(), "the view refused; null: all", null=True),
            column(
                "version",
                pa.string(),
                "the refused version of view or codes; null: all",
                null=True,
            ),
            column("start_ns", pa.int64(), "first instant refused; null: all of it", null=True),
            column("end_ns", pa.int64(), "first instant after it", null=True),
            column("frames", pa.int64(), "frames refused; 0 where they cannot be counted"),
            column("seen_ns", pa.int64(), "when it was refused, since 1970"),
            column("flow_run_id", pa.string(), "the flow run that refused it"),
        ]
    ),
    key=("item_id", "stage", "reason", "camera_id", "view", "version", "start_ns"),
    sort_by=("archive_uri", "member", "start_ns"),
    volatile=("flow_run_id", "seen_ns", "archive_uri", "member", "detail"),
)
