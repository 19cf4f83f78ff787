"""What a refinement would do and cost: `stillhouse distill --method NAME --dry-run`.

Reads the plan and the model; writes nothing but the model's kept copy. The decoder is timed here
on a batch of pictures, so the cost is that of this model on this machine's cores.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from infra import registry

if TYPE_CHECKING:
    from models.distiller import Distiller
    from tasks.codes.refine_plan import RefinePlan
    from tasks.runs.record import FlowRun

ROUNDS = 3
# Search besides decoding: moves drawn, pictures compared. Of preset ci it is so much of the time.
BESIDES = 1.25


def refine_estimate(plan: RefinePlan, run: FlowRun) -> dict[str, Any]:
    """Return how many clips and windows would be refined, of how many hours, and core-hours.

    Raises:
        ModelInvalidError, ModelArchitectureError: the model cannot be used.
    """
    from tasks.codes.model import load_distiller

    how = plan.refining
    net = load_distiller(registry.download(run.settings, how.model), how.model.uri)
    a_picture = _seconds(net, plan) if plan.work else 0.0
    pictures, clips_s = 0.0, 0.0
    for work in plan.work:
        # Each evaluation decodes a window: every step of it through every camera.
        cameras = min(len(work.clip.cameras), how.spec.cameras)
        steps = work.clip.steps / work.windows
        pictures += how.evaluations * cameras * steps
        clips_s += work.clip.steps * run.settings.grid_step_ns / 1e9
    return {
        "dry_run": True,
        "model": how.model.uri,
        "method": how.method,
        "base": how.base,
        "version": how.version,
        "clips": run.ledger.inputs,
        "current": run.ledger.cached,
        "refused_before": run.ledger.quarantined,
        "pending": run.ledger.pending,
        "pending_until": run.ledger.extra.get("pending_until"),
        "to_refine": len(plan.work),
        "windows": sum(work.windows for work in plan.work),
        "hours": clips_s / 3600,
        "core_hours": BESIDES * pictures * a_picture / 3600,
    }


def _seconds(net: Distiller, plan: RefinePlan) -> float:
    """Return the CPU time of a picture, at best of some rounds, on one thread."""
    import torch

    from models.code_energy import TOGETHER
    from models.precision import autocast

    c = net.config
    code = (
        torch.zeros(TOGETHER, c.latents, c.semantic),
        torch.zeros(TOGETHER, c.key, c.cells, c.cells),
        torch.zeros(TOGETHER, c.step, c.cells // 2, c.cells // 2),
        torch.zeros(TOGETHER, c.decoder),
        torch.zeros(TOGETHER),
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    spent = []
    try:
        with torch.no_grad(), autocast(plan.refining.precision):
            net.decoder(*code)
            for _ in range(ROUNDS):
                since = time.process_time()
                net.decoder(*code)
                spent.append(time.process_time() - since)
    finally:
        torch.set_num_threads(threads)
    return min(spent) / TOGETHER
