"""The house's metrics: their names and units, and the two ways in which Prometheus gets them.

Writes one file a flow below `home/metrics` in Prometheus's exposition format (what node_exporter's
textfile collector reads), reads them again, and serves on loopback while a flow runs where
`STILLHOUSE_METRICS_PORT` says so. What is counted stands in the ledger (`tasks/runs/metrics.py`).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from filelock import FileLock

from infra.observability import log_facts
from infra.storage import atomic_write_bytes, disk_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

LOOPBACK = "127.0.0.1"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# A metric's name, then the values of its labels in the order of its declaration.
Key: TypeAlias = tuple[str, ...]
Samples: TypeAlias = "Mapping[Key, float]"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; a counter only ever grows, over all runs of a home, a gauge is as it is now."""

    name: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    unit: str
    doc: str


_OUTCOMES = "done, cached (a cache hit), quarantined, failed, pending"
RUN_METRICS = (
    Metric("stillhouse_runs_total", "counter", ("flow", "status"), "runs", "Runs that ended."),
    Metric("stillhouse_inputs_total", "counter", ("flow",), "items", "What came in."),
    Metric(
        "stillhouse_items_total",
        "counter",
        ("flow", "outcome"),
        "items",
        f"What became of it: {_OUTCOMES}. All outcomes together are the inputs.",
    ),
    Metric(
        "stillhouse_frames_decoded_total", "counter", ("flow",), "frames", "Frames decoded whole."
    ),
    Metric(
        "stillhouse_frames_bad_total", "counter", ("flow",), "frames", "Damaged or missing frames."
    ),
    Metric("stillhouse_read_bytes_total", "counter", ("flow",), "bytes", "Files of archives read."),
    Metric(
        "stillhouse_written_bytes_total", "counter", ("flow",), "bytes", "Data and video written."
    ),
    Metric("stillhouse_run_seconds_total", "counter", ("flow",), "seconds", "Time of all runs."),
    Metric(
        "stillhouse_cpu_seconds_total",
        "counter",
        ("flow", "stage"),
        "seconds",
        "CPU of the workers by stage, as they tell the driver with each batch.",
    ),
    Metric(
        "stillhouse_committed_rows_total", "counter", ("flow", "table"), "rows", "Rows committed."
    ),
    Metric(
        "stillhouse_running", "gauge", ("flow",), "runs", "1 while the flow runs in this process."
    ),
    Metric(
        "stillhouse_queue",
        "gauge",
        ("flow", "work"),
        "items",
        "What waits or is in hand: files, features, clips, steps, by what is being done.",
    ),
    Metric(
        "stillhouse_last_run_timestamp_seconds",
        "gauge",
        ("flow",),
        "seconds since 1970",
        "When the last run ended.",
    ),
    Metric("stillhouse_last_run_seconds", "gauge", ("flow",), "seconds", "How long it took."),
    Metric("stillhouse_last_run_failed", "gauge", ("flow",), "0 or 1", "Whether it raised."),
    Metric("stillhouse_last_run_inputs", "gauge", ("flow",), "items", "What came into it."),
    Metric(
        "stillhouse_last_run_items",
        "gauge",
        ("flow", "outcome"),
        "items",
        "What became of its inputs.",
    ),
    Metric(
        "stillhouse_last_run_peak_memory_bytes",
        "gauge",
        ("flow",),
        "bytes",
        "Its processes on the driver's machine, at most.",
    ),
)
CATALOG_METRICS = (
    Metric("stillhouse_catalog_sessions", "gauge", (), "sessions", "Sessions there are now."),
    Metric("stillhouse_catalog_recordings", "gauge", (), "recordings", "Recordings there are now."),
    Metric("stillhouse_catalog_clips", "gauge", (), "clips", "Clips there are now."),
    Metric(
        "stillhouse_catalog_video_seconds", "gauge", (), "seconds", "Video of these recordings."
    ),
    Metric("stillhouse_catalog_archive_bytes", "gauge", (), "bytes", "Files of these recordings."),
    Metric(
        "stillhouse_catalog_table_bytes", "gauge", ("table",), "bytes", "Parquet files of a table."
    ),
    Metric(
        "stillhouse_catalog_quarantine_rows",
        "gauge",
        ("stage", "reason"),
        "rows",
        "What was ever refused.",
    ),
    Metric(
        "stillhouse_catalog_stale_clips",
        "gauge",
        ("model",),
        "clips",
        "Clips without a code of the version that serves, or whose cameras or labels changed.",
    ),
    Metric(
        "stillhouse_catalog_newest_run_timestamp_seconds",
        "gauge",
        ("flow", "status"),
        "seconds since 1970",
        "When a run of this flow last ended so.",
    ),
)
METRICS = {one.name: one for one in (*RUN_METRICS, *CATALOG_METRICS)}


def exposition(samples: Samples) -> bytes:
    """Return samples in Prometheus's text format, with help and type of each metric."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(lambda: samples))
    return bytes(generate_latest(registry))


def parsed(text: str) -> dict[Key, float]:
    """Return the samples of a text in that format, those that are ours.

    Raises:
        ValueError: it is no such text.
    """
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[Key, float] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            metric = METRICS.get(one.name)
            if metric is not None and set(one.labels) == set(metric.labels):
                found[one.name, *(one.labels[name] for name in metric.labels)] = one.value
    return found


def kept(folder: Path) -> dict[Key, float]:
    """Return what the last runs of all flows have left in a home's folder of metrics."""
    found: dict[Key, float] = {}
    for file in sorted(folder.glob("*.prom")):
        found |= _read(file)
    return found


def keep(folder: Path, flow: str, samples: Samples) -> None:
    """Add a run's counters to those of the flow's runs before, and replace its gauges.

    Raises:
        DiskFullError, HomeNotWritableError: it cannot be written.
    """
    file = folder / f"{flow}.prom"
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # Two runs of a flow that end at once must not lose each other's counts.
        with FileLock(str(folder / f".{flow}.lock")):
            atomic_write_bytes(file, exposition(together(_read(file), samples)))


def together(before: Samples, samples: Samples) -> dict[Key, float]:
    """Return counters added to those before, and the gauges of `samples` alone."""
    counters = {key: value for key, value in before.items() if METRICS[key[0]].kind == "counter"}
    added = {
        key: value + counters.get(key, 0.0) if METRICS[key[0]].kind == "counter" else value
        for key, value in samples.items()
    }
    return counters | added


@contextmanager
def served(port: int | None, read: Callable[[], Samples]) -> Iterator[None]:
    """Serve what `read` gives at 127.0.0.1:port/metrics inside the block; not at all for None.

    Where the port is taken (by another flow) the block runs all the same, and a line says so.
    """
    if port is None:
        yield
        return
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(read))
    try:
        server, thread = start_http_server(port, addr=LOOPBACK, registry=registry)
    except OSError as error:
        log_facts("metrics_not_served", port=port, why=error.strerror or str(error))
        yield
        return
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Collector:
    """Gives samples to prometheus_client as metrics with their names, help and labels."""

    def __init__(self, read: Callable[[], Samples]) -> None:
        self._read = read

    def collect(self) -> Iterable[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        samples = self._read()
        for metric in METRICS.values():
            mine = {key[1:]: value for key, value in samples.items() if key[0] == metric.name}
            if not mine:
                continue
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(metric.name, f"{metric.doc} [{metric.unit}]", labels=metric.labels)
            for labels, value in sorted(mine.items()):
                family.add_metric(list(labels), value)
            yield family


def _read(file: Path) -> dict[Key, float]:
    try:
        return parsed(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # None yet, or damaged: a counter that begins anew is what Prometheus expects of a restart.
        return {}
