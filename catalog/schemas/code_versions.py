"""The table `code_versions`: which version of a model's codes serves, and what it is made of.

Declares only. A log: a row is added when a reindex has ended and another version than before is to
be read. The newest row of a model says which codes are current (the view `current_codes`).
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

CODE_VERSIONS = Table(
    name="code_versions",
    doc="One row each time another version of a model's codes began to serve; the newest counts.",
    schema=pa.schema(
        [
            column("model", pa.string(), "the model's name in the registry"),
            column("version", pa.string(), "digest of all that can change the codes: the rest"),
            column("model_version", pa.int64(), "the model's version in the registry"),
            column("model_digest", pa.string(), "digest of its weights"),
            column("views", pa.string(), "the views of windows, each with its version: JSON"),
            column("windows", pa.string(), "their steps, and the arithmetic they are encoded in"),
            column("source", pa.string(), "digest of the source that makes windows and encodes"),
            column("chosen_ns", pa.int64(), "when it began to serve, since 1970"),
            column("flow_run_id", pa.string(), "the flow run that made it serve"),
        ]
    ),
    sort_by=("chosen_ns",),
    volatile=("flow_run_id", "chosen_ns", "model_version"),
)
