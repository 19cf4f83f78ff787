"""What a flow run tells as metrics: its ledger, its commits, its workers' CPU, what waits.

Reads the run; writes nothing. Workers speak to nobody but the driver: each batch they return
carries their CPU seconds by stage, so the driver's numbers are the whole cluster's, and they are
the same that the run's report prints.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from infra.observability import open_bars

if TYPE_CHECKING:
    from infra.metrics import Key
    from tasks.runs.record import FlowRun

OUTCOMES = ("done", "cached", "quarantined", "failed", "pending")


def counted(run: FlowRun, seconds: float) -> dict[Key, float]:
    """Return the counters of a run so far."""
    flow, ledger = run.flow, run.ledger
    found: dict[Key, float] = {
        ("stillhouse_inputs_total", flow): ledger.inputs,
        ("stillhouse_frames_decoded_total", flow): ledger.frames_decoded,
        ("stillhouse_frames_bad_total", flow): ledger.frames_bad,
        ("stillhouse_read_bytes_total", flow): ledger.bytes_in,
        ("stillhouse_written_bytes_total", flow): ledger.bytes_out,
        ("stillhouse_run_seconds_total", flow): seconds,
    }
    for outcome in OUTCOMES:
        found["stillhouse_items_total", flow, outcome] = getattr(ledger, outcome)
    # Copies: the run's own thread goes on writing into them.
    for stage, spent in dict(ledger.cpu_seconds).items():
        found["stillhouse_cpu_seconds_total", flow, stage] = spent
    for table, count in dict(run.catalog.rows_added).items():
        found["stillhouse_committed_rows_total", flow, table] = count
    return found


def running(run: FlowRun, started_ns: int) -> dict[Key, float]:
    """Return what is to be told while a run goes on."""
    found = counted(run, (time.time_ns() - started_ns) / 1e9)
    found["stillhouse_running", run.flow] = 1
    for bar in open_bars():
        if bar.total is not None:
            work = ("stillhouse_queue", run.flow, bar.description)
            found[work] = found.get(work, 0) + max(0, bar.total - bar.done)
    return found


def ended(run: FlowRun, status: str, ended_ns: int) -> dict[Key, float]:
    """Return what is to be told of a run once its ledger is closed."""
    flow, ledger = run.flow, run.ledger
    found = counted(run, ledger.seconds) | {
        ("stillhouse_runs_total", flow, status): 1,
        ("stillhouse_running", flow): 0,
        ("stillhouse_last_run_timestamp_seconds", flow): ended_ns / 1e9,
        ("stillhouse_last_run_seconds", flow): ledger.seconds,
        ("stillhouse_last_run_failed", flow): status != "done",
        ("stillhouse_last_run_inputs", flow): ledger.inputs,
        ("stillhouse_last_run_peak_memory_bytes", flow): ledger.peak_rss_bytes,
    }
    for outcome in OUTCOMES:
        found["stillhouse_last_run_items", flow, outcome] = getattr(ledger, outcome)
    return found
