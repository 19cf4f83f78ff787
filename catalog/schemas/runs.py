"""The table `runs`: the ledger, one row a flow run, written when it ends. Declares only."""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

RUNS = Table(
    name="runs",
    doc="The ledger: one row a flow run; inputs = done + cached + quarantined + failed + pending.",
    schema=pa.schema(
        [
            column("flow_run_id", pa.string(), "the flow run"),
            column("flow", pa.string(), "the flow's name"),
            column("status", pa.string(), "done or failed"),
            column("snapshot", pa.string(), "the catalog's versions that it read, as JSON"),
            column("parameters", pa.string(), "what it was called with, as JSON"),
            column("inputs", pa.int64(), "what there was to do"),
            column("done", pa.int64(), "done by this run"),
            column("cached", pa.int64(), "done before"),
            column("quarantined", pa.int64(), "refused, now or before"),
            column("failed", pa.int64(), "failed, to be tried again"),
            column("pending", pa.int64(), "not reached"),
            column("frames_header", pa.int64(), "frames promised by headers"),
            column("frames_decoded", pa.int64(), "frames decoded"),
            column("frames_bad", pa.int64(), "frames damaged or missing"),
            column("bytes_in", pa.int64(), "bytes read"),
            column("bytes_out", pa.int64(), "bytes written"),
            column("seconds", pa.float64(), "wall time"),
            column("peak_rss_bytes", pa.int64(), "peak memory of the whole process tree"),
            column("started_ns", pa.int64(), "since 1970"),
            column("ended_ns", pa.int64(), "since 1970"),
            column("version", pa.string(), "of Stillhouse"),
        ]
    ),
    sort_by=("started_ns",),
)
