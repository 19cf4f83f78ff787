"""The table `view_versions`: what each version of a view was made of. Declares only."""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

VIEW_VERSIONS = Table(
    name="view_versions",
    doc="One row a version of a view: the parts of its digest, so that a change can be named.",
    schema=pa.schema(
        [
            column("view", pa.string(), "the view's name"),
            column("version", pa.string(), "digest of all that can change what the view says"),
            column("parameters", pa.string(), "digest of its parameters"),
            column("source", pa.string(), "digest of its source, that of all it imports included"),
            column("weights", pa.string(), "digest of its pretrained weights"),
            column("decoder", pa.string(), "the decoder build"),
            column("flow_run_id", pa.string(), "the flow run that used it first"),
        ]
    ),
    key=("view", "version"),
    sort_by=("view", "version"),
)
