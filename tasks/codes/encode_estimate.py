"""What a reindex would do and cost, before it does it: `stillhouse reindex --dry-run`.

Reads the plan and the model; writes nothing but the model's kept copy. The network is timed here
on two windows, so the cost is that of this model on this machine's cores.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.kept_keys import partition_files
from catalog.schemas.codes import CODES
from infra import registry
from tasks.codes.serving import PARTS, serving_of
from tasks.windows.tensors import TENSORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from models.window_encoder import WindowEncoder
    from tasks.codes.coding import CodeWork, Coding
    from tasks.codes.encode_plan import DueClips, EncodePlan
    from tasks.runs.record import FlowRun

# CPU to read one camera's features of a window of 8 steps out of the catalog: `make bench-encode`.
READ_MS_PER_STEP = 1.0
ROUNDS = 3


def reindex_estimate(plan: EncodePlan, run: FlowRun) -> dict[str, Any]:
    """Return how many clips and windows would be encoded, of how many hours, and core-hours.

    Raises:
        ModelInvalidError, ModelArchitectureError: the model cannot be used.
    """
    from tasks.codes.model import load_encoder

    coding = plan.coding
    net = load_encoder(registry.download(run.settings, coding.model), coding.model.uri)
    one, more = (_seconds(net, coding, cameras) for cameras in (1, 3)) if plan.work else (0.0, 0.0)
    # Linear in the cameras: each is a share of the extractor's work and of the combiner's tokens.
    camera = max(0.0, (more - one) / 2)
    seconds, steps_all, windows_all = 0.0, 0, 0
    for (steps, cameras), clips in _shapes(plan.work).items():
        windows = -(-steps // coding.steps) * clips
        seconds += windows * (one + (min(cameras, coding.spec.cameras) - 1) * camera)
        seconds += clips * steps * cameras * READ_MS_PER_STEP / 1e3
        steps_all, windows_all = steps_all + clips * steps, windows_all + windows
    return {
        "dry_run": True,
        "model": coding.model.uri,
        "version": coding.version,
        "clips": run.ledger.inputs,
        "current": run.ledger.cached,
        "refused_before": run.ledger.quarantined,
        "pending": run.ledger.pending,
        "pending_until": run.ledger.extra.get("pending_until"),
        "to_encode": len(plan.work),
        "windows": windows_all,
        "hours": steps_all * run.settings.grid_step_ns / 1e9 / 3600,
        "core_hours": seconds / 3600,
        "bytes": _bytes(plan, windows_all),
        "why": _why(plan),
    }


def _shapes(work: DueClips | list[CodeWork]) -> Mapping[tuple[int, int], int]:
    """Return how many clips there are of each (grid steps, cameras)."""
    if isinstance(work, list):
        return Counter((one.clip.steps, len(one.clip.cameras)) for one in work)
    return work.shapes


def _bytes(plan: EncodePlan, windows: int) -> int | None:
    """Return what so many codes take on disk, if this model has codes to go by."""
    files = partition_files(plan.snapshot, CODES, {"model": plan.coding.model.name})
    rows = sum(one.rows for one in files)
    return round(windows * sum(one.bytes for one in files) / rows) if rows else None


def _why(plan: EncodePlan) -> dict[str, int]:
    """Return by reason how many clips are to be encoded."""
    serving = serving_of(plan.snapshot, plan.coding.model.name)
    replaced = 0 if isinstance(plan.work, list) else plan.work.replaced
    found = {}
    if serving is not None and replaced:
        changed = [
            PARTS[name] for name, is_now in plan.coding.parts.items() if serving[name] != is_now
        ]
        found[f"stale, since then changed: {', '.join(changed)}"] = replaced
    rest = len(plan.work) - replaced
    if rest:
        # What a clip is given is in the key of its code: one that changed looks like a new clip.
        found["new, or with other cameras, labels or calibration"] = rest
    return found


def _seconds(net: WindowEncoder, coding: Coding, cameras: int) -> float:
    """Return what one window of so many cameras takes, at best of some rounds, on one thread."""
    import torch

    from tasks.codes.encoding import TOGETHER, encode_windows

    window: dict[str, np.ndarray[Any, Any]] = {}
    for name in coding.tensors:
        spec = TENSORS[name]
        lead = () if spec.shared else (cameras,)
        lead = (*lead, coding.steps) if spec.stepped else lead
        window[name] = np.zeros((*lead, *spec.shape), spec.dtype)
        window[f"mask_{name}"] = np.ones(lead, bool)
    window["camera"] = np.zeros((cameras, 12), np.float32)
    window["camera_known"] = np.zeros(cameras, bool)
    window["t_ns"] = np.zeros((cameras, coding.steps), np.int64) + np.arange(coding.steps)
    # As many as a clip of 2 s has.
    windows = [window] * min(4, TOGETHER[coding.precision])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _best(lambda: encode_windows(net, windows, coding.precision)) / len(windows)
    finally:
        torch.set_num_threads(threads)


def _best(job: Callable[[], object]) -> float:
    """Return the least CPU time of some runs of a job, after one to warm up."""
    job()
    spent = []
    for _ in range(ROUNDS):
        since = time.process_time()
        job()
        spent.append(time.process_time() - since)
    return min(spent)
