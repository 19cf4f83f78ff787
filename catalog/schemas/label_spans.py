"""The table `label_spans`: what happens in a stretch of a recording, as a label file says.

Declares only. It stands apart from `labels`, whose words are part of the view text and so of every
code: what a classifier is to learn may not be in what it learns from. Nothing is taken out of it: a
label that is withdrawn has another row. `current_label_spans` is what holds.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

LABEL_SPANS = Table(
    name="label_spans",
    doc="One row a label of a stretch of a recording, from a label file.",
    schema=pa.schema(
        [
            column("recording_id", pa.string(), "the recording"),
            column("label", pa.string(), "what happens in it"),
            column(
                "start_ns",
                pa.int64(),
                "first instant, on the recording's own clock; null: from its start",
                null=True,
            ),
            column("end_ns", pa.int64(), "first instant after it; null: to its end", null=True),
            column(
                "turn",
                pa.int32(),
                "0, or null: said; odd: withdrawn; even: said again. The highest counts",
                null=True,
            ),
            column("source", pa.string(), "digest of the label file, kept in home"),
            column("flow_run_id", pa.string(), "the flow run that read it"),
        ]
    ),
    key=("recording_id", "label", "start_ns", "end_ns", "turn"),
    sort_by=("label", "recording_id", "start_ns"),
    volatile=("flow_run_id", "source"),
)
