"""The table `robustness`: what a model version scored on damaged footage, cell by cell.

Declares only. A cell is one corruption at one severity; `cell_id` names it together with the
weights, the held-out footage and the code that judged, so what was measured is not measured again.
"""

from __future__ import annotations

import pyarrow as pa

from catalog.table import Table, column

ROBUSTNESS = Table(
    name="robustness",
    doc="One row a model, corruption, severity, application, session and method: a score.",
    schema=pa.schema(
        [
            column("cell_id", pa.string(), "hash of weights, held-out footage, code and damage"),
            column("model", pa.string(), "the model's name in the registry"),
            column("model_version", pa.int64(), "its version in the registry"),
            column("model_digest", pa.string(), "digest of its weights"),
            column("judged", pa.string(), "digest of the held-out footage and of the code"),
            column("corruption", pa.string(), "what was done to the pictures or the rig"),
            column("severity", pa.int32(), "1 to 5"),
            column("scope", pa.string(), "whose pictures: one (camera), all, or one view's"),
            column("application", pa.string(), "what was asked of the model"),
            column("session_id", pa.string(), "the held-out session; empty where absent"),
            column("session", pa.string(), "what people call it"),
            column("method", pa.string(), "model, or a baseline's name"),
            column("measure", pa.string(), "fg_psnr, psnr_y (dB), map, top1"),
            column("value", pa.float64(), "the score under damage, mean over pieces", null=True),
            column("undamaged", pa.float64(), "of the same pieces without damage", null=True),
            column("pieces", pa.int32(), "queries, cameras of windows, or clips that were scored"),
            column("absent", pa.string(), "why there is no score", null=True),
            column("flow_run_id", pa.string(), "the flow run that measured it"),
            column("created_ns", pa.int64(), "when, since 1970"),
        ]
    ),
    key=("cell_id", "application", "session_id", "method"),
    sort_by=("model", "corruption", "severity"),
    volatile=("flow_run_id", "created_ns", "model_version"),
)
