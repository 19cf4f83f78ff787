"""The table `codes`: what one model version made of each window of a clip, all cameras together.

Declares only. The embedding is a list, because SQL computes with it; what the range coder wrote is
bytes. A clip has all its windows or none: they are written as one file's rows.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

CODES = Table(
    name="codes",
    doc="One row a window of a clip, model and version: its code over all cameras and views.",
    schema=pa.schema(
        [
            column("code_id", pa.string(), "hash of clip, first step, version and given"),
            column("clip_id", pa.string(), "its clip"),
            column("session_id", pa.string(), "its session"),
            column("model", pa.string(), "the model's name in the registry"),
            column("version", pa.string(), "digest of model, views and arithmetic: code_versions"),
            column("given", pa.string(), "digest of the clip's cameras, labels and calibrations"),
            column("first_step", pa.int32(), "the window's first grid instant in the clip"),
            column("steps", pa.int32(), "grid instants of the window within the clip"),
            column("seen", pa.int32(), "those of them at which a camera saw something"),
            column("start_ns", pa.int64(), "first instant, on the session clock"),
            column("end_ns", pa.int64(), "first instant after it, on the session clock"),
            column("cameras", pa.list_(pa.string()), "camera_id of those it was made of"),
            column("embedding", pa.list_(pa.float32()), "of length 1: cast to FLOAT[128] in SQL"),
            column("data", pa.binary(), "the quantised code as the model's range coder wrote it"),
            column("bits", pa.float64(), "what the model's prior says the code costs"),
            column("model_version", pa.int64(), "its version in the registry when it was made"),
            column("model_digest", pa.string(), "digest of the model's weights"),
            column("flow_run_id", pa.string(), "the flow run that made it"),
        ]
    ),
    key=("code_id",),
    partition_by=("model", "version"),
    sort_by=("session_id", "start_ns", "clip_id"),
    # A row is 1.5 KB: a search reads embeddings alone, the look-up of a clip one group.
    row_group_rows=2048,
    plain_columns=("code_id", "embedding", "data"),
    volatile=("flow_run_id", "model_version"),
)
