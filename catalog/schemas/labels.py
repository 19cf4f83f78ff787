"""The table `labels`: what users say of recordings. Declares only."""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

LABELS = Table(
    name="labels",
    doc="One row a label that a manifest gives a recording.",
    schema=pa.schema(
        [
            column("recording_id", pa.string(), "the recording"),
            column("label", pa.string(), "as the user wrote it: text, or JSON"),
            column("archive_uri", pa.string(), "the manifest that says so"),
            column("flow_run_id", pa.string(), "the flow run that read it"),
        ]
    ),
    key=("recording_id", "label"),
    sort_by=("label", "recording_id"),
    volatile=("flow_run_id", "archive_uri"),
)
