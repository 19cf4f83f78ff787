"""Looking up one clip among a million features: `python tests/bench/bench_lookup.py [FEATURES]`.

Makes a synthetic store in a temporary folder (a minute): sessions of five clips, four views, rows
sorted and cut into row groups as the real table's are, each with 200 bytes of data, so that it is
the finding that is timed and not the reading of large rows. Prints milliseconds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalog.datafile import write_file
from catalog.lookup import FeatureLookup
from catalog.schemas.clips import CLIPS
from catalog.schemas.features import FEATURES
from catalog.span import SECOND_NS
from catalog.store import Catalog

VIEWS = {"appearance": "v1", "flow": "v1", "silhouette": "v1", "skeleton": "v1"}
CLIPS_A_SESSION, ROWS_A_FILE, LOOKUPS, GOAL_MS = 5, 50_000, 200, 50.0


def main() -> None:
    """Make the store, look clips up, print how long it takes."""
    features = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    clips = features // len(VIEWS)
    with tempfile.TemporaryDirectory(prefix="stillhouse-bench-") as folder:
        catalog = Catalog(folder)
        names = make(catalog, clips)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
        started = time.perf_counter()
        with FeatureLookup(catalog.snapshot(), VIEWS) as lookup:
            lookup.of(names[0])
            opened = time.perf_counter() - started
            times = []
            rng = np.random.default_rng(1)
            for k in rng.integers(len(names), size=LOOKUPS):
                started = time.perf_counter()
                assert lookup.of(names[k]).num_rows == len(VIEWS)
                times.append(1e3 * (time.perf_counter() - started))
    half, most = np.percentile(times, [50, 95])
    met = "met" if half <= GOAL_MS else "NOT MET"
    print(f"\nlook-up of one clip among {features:,} features, {size / 2**20:.0f} MiB of Parquet")
    print(f"  first, with opening      {1e3 * opened:8.1f} ms")
    print(
        f"  p50 / p95 of {LOOKUPS}       {half:8.1f} / {most:.1f} ms   (goal {GOAL_MS:.0f}: {met})"
    )


def make(catalog: Catalog, count: int) -> list[str]:
    """Commit the clips and their features; return the clips' ids."""
    rng = np.random.default_rng(0)
    names = [rng.bytes(16).hex() for _ in range(count)]
    sessions = [rng.bytes(16).hex() for _ in range(-(-count // CLIPS_A_SESSION))]
    sessions.sort()
    session = [sessions[k // CLIPS_A_SESSION] for k in range(count)]
    start = [k % CLIPS_A_SESSION * 2 * SECOND_NS for k in range(count)]
    for at in range(0, count, ROWS_A_FILE):
        cut = slice(at, at + ROWS_A_FILE)
        known = {"clip_id": names[cut], "session_id": session[cut], "start_ns": start[cut]}
        catalog.commit_files(CLIPS, [write_file(CLIPS, rows(CLIPS, known), catalog.uri)])
        files = []
        for view, version in VIEWS.items():
            more = {"view": [view] * len(names[cut]), "version": [version] * len(names[cut])}
            table = rows(FEATURES, known | more)
            files.append(write_file(FEATURES, table, catalog.uri))
        catalog.commit_files(FEATURES, files)
    return names


def rows(table: object, known: dict[str, list[object]]) -> pa.Table:
    """Return rows of a table with what is not known filled in."""
    schema = table.schema
    count = len(known["clip_id"])
    blanks = {pa.string(): "", pa.binary(): bytes(200), pa.int64(): 0, pa.int32(): 25}
    columns = []
    for field in schema:
        if field.name in known:
            values = pa.array(known[field.name], field.type)
        elif field.nullable:
            values = pa.nulls(count, field.type)
        else:
            blank = blanks.get(field.type, [])
            values = pa.array([blank] * count, field.type)
        columns.append(values)
    return pa.Table.from_arrays(columns, schema=schema)


if __name__ == "__main__":
    main()
