"""The table `generations`: clips that a model made, and everything they came from.

Declares only.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

SOURCE_SPAN = pa.struct(
    [
        pa.field("recording_id", pa.string(), nullable=False),
        pa.field("start_ns", pa.int64(), nullable=False),
        pa.field("end_ns", pa.int64(), nullable=False),
    ]
)

GENERATIONS = Table(
    name="generations",
    doc="One row a generation: a clip that was made, with what it came from.",
    schema=pa.schema(
        [
            column("generation_id", pa.string(), "hash of model, sources and parameters"),
            column("application", pa.string(), "what was asked for: super-resolution, ..."),
            column("model", pa.string(), "the model's name in the registry, if any", null=True),
            column("model_version", pa.int64(), "its version in the registry", null=True),
            column("model_digest", pa.string(), "digest of its weights", null=True),
            column("clip_id", pa.string(), "the clip it was made from, of several the first"),
            column("session_id", pa.string(), "that clip's session"),
            column("camera_id", pa.string(), "the camera it is seen by"),
            column("start_ns", pa.int64(), "first instant, on the session clock"),
            column("end_ns", pa.int64(), "first instant after it, on the session clock"),
            column(
                "sources",
                pa.list_(SOURCE_SPAN),
                "the pixels it was made from: spans on each recording's own clock",
            ),
            column("codes", pa.list_(pa.string()), "code_id of those it was made from"),
            column("parameters", pa.string(), "everything asked for, as JSON"),
            column("uri", pa.string(), "where the video is"),
            column("bytes", pa.int64(), "size of the video"),
            column("digest", pa.string(), "BLAKE3 of the video"),
            column("width", pa.int32(), "pixels"),
            column("height", pa.int32(), "pixels"),
            column("frames", pa.int64(), "frames written"),
            column("has_audio", pa.bool_(), "it carries the source's sound"),
            column("quality", pa.string(), "what was measured of it, as JSON", null=True),
            column("picture", pa.string(), "side by side with its source, for people", null=True),
            column("source_digest", pa.string(), "of the code that made it", null=True),
            column("snapshot", pa.string(), "the catalog's versions that were read, as JSON"),
            column("flow_run_id", pa.string(), "the flow run that made it"),
            column("created_ns", pa.int64(), "when it was made, since 1970"),
        ]
    ),
    key=("generation_id",),
    sort_by=("session_id", "camera_id", "start_ns"),
    volatile=("flow_run_id", "created_ns", "snapshot", "uri", "picture", "model_version"),
)
