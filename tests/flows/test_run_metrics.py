"""Metrics of runs say what the runs' own reports say, as Prometheus reads them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from small_catalog import small_catalog

from infra import metrics
from infra.observability import progress
from infra.settings import Settings
from tasks.runs.metrics import OUTCOMES
from tasks.runs.record import FlowRun, flow_record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Road


def values(text: str) -> dict[str, float]:
    """Return each sample by its name and labels, as Prometheus's own parser reads them."""
    return {
        f"{one.name}{dict(sorted(one.labels.items()))}": one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def told(home: Path, flow: str) -> dict[str, float]:
    """Return what the file of a flow says."""
    return values((home / "metrics" / f"{flow}.prom").read_text())


@pytest.mark.parametrize("flow", ["ingest", "extract", "distill", "promote", "generate"])
def test_a_file_tells_what_the_report_of_the_run_tells(road: Road, flow: str) -> None:
    """Inputs, outcomes, frames, bytes, seconds: one truth, and it adds up."""
    found, report = values(road.metrics[flow]), road.reports[flow]
    mine = {"flow": flow}
    of = {name: found[f"stillhouse_{name}{mine}"] for name in ("inputs_total", "run_seconds_total")}
    assert of == {"inputs_total": report["inputs"], "run_seconds_total": report["seconds"]}
    outcomes = {
        outcome: found[f"stillhouse_items_total{ {'flow': flow, 'outcome': outcome} }"]
        for outcome in OUTCOMES
    }
    assert outcomes == {outcome: report[outcome] for outcome in OUTCOMES}
    assert sum(outcomes.values()) == found[f"stillhouse_inputs_total{mine}"] > 0
    for name, column in (
        ("frames_decoded_total", "frames_decoded"),
        ("frames_bad_total", "frames_bad"),
        ("read_bytes_total", "bytes_in"),
        ("written_bytes_total", "bytes_out"),
        ("last_run_peak_memory_bytes", "peak_rss_bytes"),
    ):
        assert found[f"stillhouse_{name}{mine}"] == report[column]
    assert found[f"stillhouse_runs_total{ {'flow': flow, 'status': 'done'} }"] == 1
    assert found[f"stillhouse_running{mine}"] == found[f"stillhouse_last_run_failed{mine}"] == 0


def test_workers_cpu_is_told_by_stage_and_rows_by_table(road: Road) -> None:
    """Decoding's share of extraction can be computed; each committed feature is counted."""
    found, report = values(road.metrics["extract"]), road.reports["extract"]
    stages = {
        name.removeprefix("cpu_").removesuffix("_s"): seconds
        for name, seconds in report.items()
        if name.startswith("cpu_")
    }
    for stage, seconds in stages.items():
        label = {"flow": "extract", "stage": stage}
        assert found[f"stillhouse_cpu_seconds_total{label}"] == pytest.approx(seconds, abs=1e-3)
    assert 0 < stages["decode"] < sum(stages.values())
    rows = found[f"stillhouse_committed_rows_total{ {'flow': 'extract', 'table': 'features'} }"]
    assert rows == report["done"]
    scanned = values(road.metrics["ingest"])
    label = {"flow": "ingest", "table": "recordings"}
    assert (
        scanned[f"stillhouse_committed_rows_total{label}"] == road.reports["ingest"]["recordings"]
    )


def counting(run: FlowRun) -> None:
    """Count five inputs, of which one is a cache hit and one refused."""
    ledger = run.ledger
    ledger.inputs, ledger.done, ledger.cached, ledger.quarantined = 5, 3, 1, 1
    ledger.spend({"decode": 0.5, "write": 0.25})


def test_counters_go_on_from_run_to_run_and_gauges_do_not(tmp_path: Path) -> None:
    """Two runs are twice the counts; the last run is the last; a failed one is counted as such."""
    settings = Settings(home=tmp_path)
    small_catalog(tmp_path / "catalog")
    for _ in range(2):
        with flow_record("extract", settings, {}) as run:
            counting(run)
    found = told(tmp_path, "extract")
    assert found["stillhouse_inputs_total{'flow': 'extract'}"] == 10
    assert found["stillhouse_items_total{'flow': 'extract', 'outcome': 'cached'}"] == 2
    assert found["stillhouse_last_run_items{'flow': 'extract', 'outcome': 'cached'}"] == 1
    assert found["stillhouse_cpu_seconds_total{'flow': 'extract', 'stage': 'decode'}"] == 1
    with pytest.raises(KeyError), flow_record("extract", settings, {}):
        raise KeyError
    found = told(tmp_path, "extract")
    assert found["stillhouse_runs_total{'flow': 'extract', 'status': 'failed'}"] == 1
    assert found["stillhouse_runs_total{'flow': 'extract', 'status': 'done'}"] == 2
    assert found["stillhouse_last_run_failed{'flow': 'extract'}"] == 1
    assert found["stillhouse_inputs_total{'flow': 'extract'}"] == 10


def test_a_damaged_file_begins_anew(tmp_path: Path) -> None:
    """What cannot be parsed is no reason to fail a run, and is replaced."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "ingest.prom").write_text('stillhouse_inputs_total{flow="ingest" 3\n\x00')
    with flow_record("ingest", Settings(home=tmp_path), {}) as run:
        counting(run)
    assert told(tmp_path, "ingest")["stillhouse_inputs_total{'flow': 'ingest'}"] == 5


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_a_running_flow_is_scraped(tmp_path: Path) -> None:
    """Its counts so far, what waits, and the runs before; nobody listens once it has ended."""
    port = free_port()
    settings = Settings(home=tmp_path, metrics_port=port)
    address = f"http://127.0.0.1:{port}/metrics"
    with flow_record("extract", settings, {}) as run:
        counting(run)
    with flow_record("extract", settings, {}) as run, progress("extract", 40, "features") as bar:
        counting(run)
        bar.advance(15)
        with urlopen(address, timeout=5) as answer:
            found = values(answer.read().decode())
        assert found["stillhouse_queue{'flow': 'extract', 'work': 'extract'}"] == 25
        assert found["stillhouse_running{'flow': 'extract'}"] == 1
        assert found["stillhouse_inputs_total{'flow': 'extract'}"] == 10
        assert found["stillhouse_runs_total{'flow': 'extract', 'status': 'done'}"] == 1
    with pytest.raises(URLError):
        urlopen(address, timeout=5)


def test_a_taken_port_costs_the_metrics_and_not_the_run(tmp_path: Path) -> None:
    """Two flows at once: the second runs, and its file is written as ever."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(home=tmp_path, metrics_port=taken.getsockname()[1])
        with flow_record("extract", settings, {}) as run:
            counting(run)
    assert told(tmp_path, "extract")["stillhouse_inputs_total{'flow': 'extract'}"] == 5


def test_no_server_is_started_unless_asked_for(tmp_path: Path) -> None:
    """By default a run listens nowhere."""
    with metrics.served(None, dict):
        pass
    assert Settings(home=tmp_path).metrics_port is None
