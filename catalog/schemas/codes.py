"""The table `codes`: what a distiller made of each window of a clip. Declares only.

A code of another model stays beside the newer ones until it is vacuumed: `current_codes` are those
that serve.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

CODES = Table(
    name="codes",
    doc="One row a window of a clip and model: its code, small enough to search and to decode.",
    schema=pa.schema(
        [
            column("code_id", pa.string(), "hash of the model, the clip, the step and what it saw"),
            column("clip_id", pa.string(), "its clip"),
            column("session_id", pa.string(), "its session"),
            column("cameras", pa.list_(pa.string()), "the cameras it was made of"),
            column("first", pa.int32(), "the window's first step in the clip"),
            column("steps", pa.int32(), "steps of the grid; masked past the clip's end"),
            column("start_ns", pa.int64(), "its first instant, on the session clock"),
            column("end_ns", pa.int64(), "first instant after it, on the session clock"),
            column("model", pa.string(), "the model's name in the registry"),
            column("model_version", pa.int64(), "its version in the registry"),
            column("model_digest", pa.string(), "digest of its weights"),
            column("given", pa.string(), "digest of the features it was made from"),
            column("embedding", pa.list_(pa.float32()), "of length 1: nearness is likeness"),
            column("data", pa.binary(), "the whole code, range coded; the model decodes it"),
            column("bits", pa.float64(), "what the model's prior says of its size"),
            column("created_ns", pa.int64(), "when it was made, since 1970"),
            column("flow_run_id", pa.string(), "the flow run that made it"),
        ]
    ),
    key=("clip_id", "model_digest", "given", "first"),
    partition_by=("model_digest",),
    sort_by=("session_id", "start_ns"),
    row_group_rows=4096,
    plain_columns=("data", "embedding"),
    volatile=("flow_run_id", "created_ns", "model_version"),
)
