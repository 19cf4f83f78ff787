"""The table `duplicates`: pairs of recordings that show the same footage. Declares only.

Facts of two contents, so a row never changes. Nothing is deleted for it: both recordings stay, and
a row says which span of the one is which span of the other. Files of equal bytes are one recording
and no pair.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

DUPLICATES = Table(
    name="duplicates",
    doc="One row a pair of recordings that show the same footage, as different bytes.",
    schema=pa.schema(
        [
            column("recording_id", pa.string(), "the one whose id is the smaller"),
            column("other_id", pa.string(), "the other one"),
            column("start_ns", pa.int64(), "first shared instant, on the clock of recording_id"),
            column("end_ns", pa.int64(), "first instant after it, on the clock of recording_id"),
            column("other_start_ns", pa.int64(), "first shared instant, on the clock of other_id"),
            column("other_end_ns", pa.int64(), "first instant after it, on the clock of other_id"),
            column("score", pa.float64(), "0..1: agreement of pictures times that of motion"),
            column("flow_run_id", pa.string(), "the flow run that found it"),
        ]
    ),
    key=("recording_id", "other_id"),
    sort_by=("recording_id", "other_id"),
)
