"""What a run would do and what it would cost, before it does it: `--dry-run`.

Reads listings, the catalog and some headers; writes nothing. Costs are estimates from constants
measured on the sample archive (`make bench`), good to a factor of two on other footage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.span import SECOND_NS
from infra.ray_cluster import Finished, connect, map_isolated
from tasks.containers.probing import Facts, header_facts
from tasks.views.catalogue import view_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.extraction.plan import FeaturePlan
    from tasks.ingest.plan import IngestPlan
    from tasks.runs.record import FlowRun

# Headers that are read to tell hours from bytes, and how long one may take.
SAMPLED, PROBE_TIMEOUT_S = 32, 20.0
# CPU of the full decode at ingest, and of decoding for features: 4.1 s and 3.1 s for the sample
# archive's 1.84 billion pixels.
SCAN_NS_PER_PIXEL, DECODE_NS_PER_PIXEL = 2.2, 1.7


@dataclass(frozen=True, slots=True)
class _Sum:
    bytes: int = 0
    seconds: float = 0.0
    pixels: float = 0.0


def ingest_estimate(plan: IngestPlan, run: FlowRun) -> dict[str, Any]:
    """Return how many files would be read, about how many hours they are, and core-hours.

    Hours are told from the headers of up to `SAMPLED` of the files; None where none can be read.
    """
    counts, total, files = plan.counts, 0, 0
    stride = max(1, counts["fresh"] // SAMPLED)
    chosen: list[Any] = []
    with plan.listing.compare(plan.snapshot, plan.refusing) as found:
        for page in found.fresh():
            for member in page:
                if files % stride == 0 and len(chosen) < SAMPLED:
                    chosen.append(plan.source(member))
                files, total = files + 1, total + member["size_bytes"]
    seen = _Sum()
    for fact in _probed(chosen, run):
        pixels = seen.pixels + fact.pixels
        seen = _Sum(seen.bytes + fact.bytes, seen.seconds + fact.seconds, pixels)
    scale = total / seen.bytes if seen.bytes else None
    return {
        "dry_run": True,
        "files": sum(counts[name] for name in ("present", "duplicate", "quarantined", "fresh")),
        "known": counts["present"] + counts["duplicate"],
        "refused_before": counts["quarantined"],
        "to_read": files,
        "gone": counts["gone"],
        "to_form_again": counts["to_form"],
        "bytes_to_read": total,
        "hours": None if scale is None else seen.seconds * scale / 3600,
        "core_hours": None if scale is None else seen.pixels * scale * SCAN_NS_PER_PIXEL / 3600e9,
    }


def _probed(sources: list[Any], run: FlowRun) -> Iterator[Facts]:
    if not sources:
        return
    connect(run.settings)
    for outcome in map_isolated(
        header_facts, sources, timeout_s=PROBE_TIMEOUT_S, concurrency=run.settings.cpus
    ):
        if isinstance(outcome, Finished) and outcome.result is not None:
            yield outcome.result


def extract_estimate(plan: FeaturePlan, run: FlowRun) -> dict[str, Any]:
    """Return how many features would be computed, of how many hours, and core-hours."""
    step_ns = run.settings.grid_step_ns
    seconds, cost_ms = 0.0, 0.0
    views = dict.fromkeys(plan.versions, 0)
    for work in plan.work:
        seconds += work.clip.span.duration_ns / SECOND_NS
        cost_ms += work.pixels * DECODE_NS_PER_PIXEL / 1e6
    for work in (*plan.work, *plan.rig_work):
        for due in work.due:
            views[due.view] += 1
            steps = work.clip.span.duration_ns / step_ns
            cost_ms += steps * view_named(due.view).spec.cost_ms
    return {
        "dry_run": True,
        "features": run.ledger.inputs,
        "current": run.ledger.cached,
        "refused_before": run.ledger.quarantined,
        "to_compute": plan.missing,
        "by_view": views,
        "clips": len(plan.work),
        "unavailable": [f"{name}: {how}" for name, how in plan.unavailable.items()],
        "hours": seconds / 3600,
        "core_hours": cost_ms / 3.6e6,
    }
