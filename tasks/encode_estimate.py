"""What a reindex would do and cost, before it does it: `stillhouse reindex --dry-run`.

Reads the plan and the model; writes nothing but the model's kept copy. The network is timed here
on two windows, so the cost is that of this model on this machine's cores.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from infra import registry
from tasks.window_tensors import TENSORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.window_encoder import WindowEncoder
    from tasks.encode_plan import Coding, EncodePlan
    from tasks.run_record import FlowRun

# CPU to read one camera's features of a window of 8 steps out of the catalog: `make bench-encode`.
READ_MS_PER_STEP = 1.0
ROUNDS = 3


def reindex_estimate(plan: EncodePlan, run: FlowRun) -> dict[str, Any]:
    """Return how many clips and windows would be encoded, of how many hours, and core-hours.

    Raises:
        ModelInvalidError, ModelArchitectureError: the model cannot be used.
    """
    from tasks.code_model import load_encoder

    coding = plan.coding
    net = load_encoder(registry.download(run.settings, coding.model), coding.model.uri)
    one, more = (_seconds(net, coding, cameras) for cameras in (1, 3)) if plan.work else (0.0, 0.0)
    # Linear in the cameras: each is a share of the extractor's work and of the combiner's tokens.
    camera = max(0.0, (more - one) / 2)
    seconds, clips_s = 0.0, 0.0
    for work in plan.work:
        cameras = min(len(work.clip.cameras), coding.spec.cameras)
        windows = -(-work.clip.steps // coding.steps)
        seconds += windows * (one + (cameras - 1) * camera)
        seconds += work.clip.steps * len(work.clip.cameras) * READ_MS_PER_STEP / 1e3
        clips_s += work.clip.steps * run.settings.grid_step_ns / 1e9
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
        "windows": plan.windows,
        "hours": clips_s / 3600,
        "core_hours": seconds / 3600,
    }


def _seconds(net: WindowEncoder, coding: Coding, cameras: int) -> float:
    """Return what one window of so many cameras takes, at best of some rounds, on one thread."""
    import torch

    from tasks.encoding import TOGETHER, encode_windows

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
