"""Searching codes: `python tests/bench/bench_search.py [--home HOME] [--sizes N ...]`.

Makes catalogs of that many codes (10,000, 100,000 and 1,000,000 of 128 numbers) in a temporary
folder, each in a process of its own: real tables, real Parquet files, the clips current. Codes are
those of the home's champion (or what is like them where there is no home): each is a mixture of two
codes of one session, moved by a tenth of how far the two are apart; or, with `--wide`, of clusters
in all directions. Prints how long the first search takes and later ones, beside a bare scan by
numpy (product, argpartition); the index's time, bytes, recall and speed; peak memory.
With `--peers` faiss and usearch beside it, if they are installed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from listing_catalog import filled, make_catalog

from catalog.datafile import write_file
from catalog.query import named, run
from catalog.schemas.code_versions import CODE_VERSIONS
from catalog.schemas.codes import CODES
from catalog.store import Catalog
from infra.settings import Settings
from models.inverted_lists import InvertedLists, list_count
from models.nearest_groups import PROBES, groups_by_lists, nearest_groups, similarities, unit
from tasks.search.find import search
from tasks.search.kept_codes import kept_codes
from tasks.search.kept_lists import keep_lists

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

SIZES, DIMS, WINDOWS, QUERIES, TOP = (10_000, 100_000, 1_000_000), 128, 4, 50, 10
ROWS_A_FILE = 50_000


def main() -> None:
    """Measure each size in a process of its own, and print what it says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--wide", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--one", type=int)
    given = parser.parse_args()
    if given.one is not None:
        print(json.dumps(measured(given.one, given.home, wide=given.wide, peers=given.peers)))
        return
    for size in given.sizes:
        told = [sys.executable, __file__, "--one", str(size)]
        told += ["--home", str(given.home)] if given.home else []
        told += [f"--{name}" for name in ("wide", "peers") if getattr(given, name)]
        done = subprocess.run(told, check=True, stdout=subprocess.PIPE, text=True)
        facts = json.loads(done.stdout.splitlines()[-1])
        print(f"\n{size:,} codes of {DIMS} numbers")
        for name, value in facts.items():
            print(f"  {name:52} {value}")


def measured(count: int, home: Path | None, *, wide: bool, peers: bool) -> dict[str, Any]:
    """Return the figures of one size, in the order in which they are printed."""
    random = np.random.default_rng(0)
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="stillhouse-bench-") as folder:
        settings = Settings(home=Path(folder) / "home", cpus=1)
        vectors = made_codes(count, home, random, wide=wide)
        size = make(settings, Path(folder) / "archive", vectors)
        del vectors
        facts["Parquet MiB, embeddings and places"] = f"{size / 2**20:.0f}"
        snapshot = Catalog(settings.catalog).snapshot()
        started = time.perf_counter()
        found = kept_codes(snapshot, "distiller", settings)
        rows = found.vectors
        facts["first: all of Parquet into a matrix, s"] = f"{time.perf_counter() - started:.2f}"
        started = time.perf_counter()
        found = kept_codes(snapshot, "distiller", settings)
        rows = found.vectors
        facts["opened again: mapped, digests checked, ms"] = ms(time.perf_counter() - started)
        asked = queries(rows, random)
        clip = found.places["clip_id"][int(found.starts[len(found.starts) // 2])].as_py()
        for name in ("first", "second"):
            started = time.perf_counter()
            search(settings, clip=clip, exact=True)
            took = time.perf_counter() - started
            facts[f"whole search by clip with SQL of the catalog, {name}, ms"] = ms(took)
        # In turns: what else the machine does falls on both alike.
        plain = np.array(rows)
        bare, ours, truth = [], [], []
        for one in asked:
            truth.append(set(timed(bare, lambda q=one: scan(plain, q)).tolist()))
            got = timed(
                ours, lambda q=one: nearest_groups(similarities(rows, q[None]), found.starts, TOP)
            )
            assert truth[-1] >= set(got.vectors.tolist()) or len(got.groups) == TOP
        facts["bare numpy scan, product and argpartition, ms"] = ms(np.median(bare))
        facts["exact: top 10 clips, ms"] = ms(np.median(ours))
        facts["exact / bare"] = f"{np.median(ours) / np.median(bare):.2f}"
        facts |= of_index(found, asked, truth, float(np.median(ours)))
        if peers:
            facts |= of_peers(np.asarray(rows), asked, truth)
        facts |= stays_right(found, asked, random)
    facts["peak memory, with mapped files, MiB"] = (
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}"
    )
    return facts


def scan(vectors: Floats, query: Floats) -> npt.NDArray[np.int64]:
    """Return the ten nearest as numpy finds them by itself."""
    scores = vectors @ query
    return np.argpartition(scores, -TOP)[-TOP:]


def of_index(
    found: Any,  # noqa: ANN401  a Searchable
    asked: Floats,
    truth: list[set[int]],
    exact: float,
) -> dict[str, Any]:
    """Time the index, and count how much of the truth it finds, by lists looked at."""
    rows = found.vectors
    started = time.perf_counter()
    InvertedLists.fit(rows, list_count(len(rows)))
    built = time.perf_counter() - started
    lists = keep_lists(found.folder, rows)
    size = sum(path.stat().st_size for path in (found.folder / "lists").iterdir())
    facts = {
        f"index of {list_count(len(rows)):,} lists: made in, s": f"{built:.1f}",
        "index, MiB": f"{size / 2**20:.0f}",
    }
    for probes in (PROBES // 2, PROBES, 2 * PROBES):
        times: list[float] = []
        hits = 0
        for one, true in zip(asked, truth, strict=True):
            hits += len(true & set(timed(times, lambda q=one, p=probes: top_of(lists, q, p))))
        facts[f"of {probes} lists: ms, times as fast, recall@10"] = (
            f"{ms(np.median(times))}  {exact / np.median(times):.0f} x  "
            f"{hits / TOP / len(asked):.3f}"
        )
    times = []
    for one in asked:
        timed(times, lambda q=one: groups_by_lists(lists, q[None], found.starts, TOP))
    facts["approximate: top 10 clips, ms, times as fast"] = (
        f"{ms(np.median(times))}  {exact / np.median(times):.0f} x"
    )
    return facts


def top_of(lists: InvertedLists, query: Floats, probes: int) -> list[int]:
    """Return the ten nearest rows of the lists nearest to a query."""
    rows, scores = lists.members(lists.nearest_lists(query, probes), query[None])
    best = scores[:, 0]
    return rows[np.argpartition(best, -TOP)[-TOP:]].tolist() if len(rows) > TOP else rows.tolist()


def stays_right(found: Any, asked: Floats, random: np.random.Generator) -> dict[str, Any]:  # noqa: ANN401
    """Recall of clips where a filter leaves a share of them, at random or one piece of space."""
    lists = keep_lists(found.folder, found.vectors)
    facts = {}
    side = random.standard_normal(DIMS).astype(np.float32)
    first = found.vectors[found.starts] @ side
    for name, allowed in {
        "half at random": random.random(len(found.starts)) < 0.5,
        "a fifth at random": random.random(len(found.starts)) < 0.2,
        "a fifth, one side of space": first > np.quantile(first, 0.8),
        "a hundredth at random": random.random(len(found.starts)) < 0.01,
    }.items():
        hits, by = 0, "approximate"
        for one in asked[:20]:
            scores = similarities(found.vectors, one[None])
            true = nearest_groups(scores, found.starts, TOP, allowed)
            got = groups_by_lists(lists, one[None], found.starts, TOP, allowed)
            if got is None:
                got, by = true, "exact"
            hits += len(set(true.groups.tolist()) & set(got.groups.tolist()))
        facts[f"recall@10 of clips, filter leaves {name}"] = f"{hits / TOP / 20:.3f} ({by})"
    return facts


def of_peers(rows: Floats, asked: Floats, truth: list[set[int]]) -> dict[str, Any]:
    """The same of faiss (MIT) and usearch (Apache-2.0)."""
    import faiss
    from usearch.index import Index

    faiss.omp_set_num_threads(1)
    facts = {}
    count = list_count(len(rows))
    started = time.perf_counter()
    ivf = faiss.index_factory(DIMS, f"IVF{count},SQfp16", faiss.METRIC_INNER_PRODUCT)
    ivf.cp.niter = 8
    ivf.cp.max_points_per_centroid = 32
    ivf.train(rows)
    ivf.add(rows)
    built = time.perf_counter() - started
    ivf.nprobe = PROBES
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/index"
        faiss.write_index(ivf, file)
        facts["faiss IVF"] = _peer(
            lambda q: ivf.search(q[None], TOP)[1][0], built, file, faiss.read_index, asked, truth
        )
    started = time.perf_counter()
    graph = Index(ndim=DIMS, metric="ip", dtype="f16", connectivity=16, expansion_add=64)
    graph.add(np.arange(len(rows)), rows, threads=1)
    built = time.perf_counter() - started
    graph.expansion_search = 128
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/index"
        graph.save(file)
        facts["usearch HNSW"] = _peer(
            lambda q: graph.search(q, TOP, threads=1).keys, built, file, Index.restore, asked, truth
        )
    return facts


def _peer(
    ask: Callable[[Floats], Any],
    built: float,
    file: str,
    read: Callable[[str], Any],
    asked: Floats,
    truth: list[set[int]],
) -> str:
    times: list[float] = []
    hits = 0
    for one, true in zip(asked, truth, strict=True):
        hits += len(true & set(timed(times, lambda q=one: ask(q)).tolist()))
    started = time.perf_counter()
    read(file)
    opened = time.perf_counter() - started
    return (
        f"made {built:.1f} s  {Path(file).stat().st_size / 2**20:.0f} MiB  read {ms(opened)} ms  "
        f"asked {ms(np.median(times))} ms  recall {hits / TOP / len(asked):.3f}"
    )


def timed(times: list[float], ask: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Return what a question gives, and note how long it took."""
    started = time.perf_counter()
    found = ask()
    times.append(time.perf_counter() - started)
    return found


def ms(seconds: float) -> str:
    """Write seconds as milliseconds."""
    return f"{1e3 * seconds:.1f}" if seconds >= 0.01 else f"{1e3 * seconds:.2f}"


def queries(rows: Floats, random: np.random.Generator) -> Floats:
    """Return codes that are in no catalog: some of it, moved as far as their kind varies."""
    some = np.sort(random.choice(len(rows), QUERIES, replace=False))
    spread = 0.1 * np.asarray(rows[:: max(1, len(rows) // 5000)]).std(axis=0)
    return unit(np.asarray(rows[some]) + spread * random.standard_normal((QUERIES, DIMS)))


def made_codes(count: int, home: Path | None, random: np.random.Generator, *, wide: bool) -> Floats:
    """Return (count, 128): mixtures of real codes of one session, or clusters everywhere."""
    if home is not None and not wide:
        snapshot = Catalog(Settings(home=home).catalog).snapshot()
        sql = "select session_id, embedding from current_codes where model = 'distiller'"
        table = run(snapshot, f"{sql} order by session_id, start_ns")
        real = np.array(table["embedding"].to_pylist(), np.float32)
        session = table["session_id"].combine_chunks().dictionary_encode().indices.to_numpy()
        ends = np.append(np.flatnonzero(np.diff(session)) + 1, len(session))
        starts = np.concatenate([[0], ends[:-1]])
        one = random.integers(len(real), size=count)
        low, high = starts[session[one]], ends[session[one]]
        other = low + (random.random(count) * (high - low)).astype(np.int64)
        share = random.random((count, 1), np.float32)
        gap = real[other] - real[one]
        noise = random.standard_normal((count, DIMS), np.float32)
        size = np.linalg.norm(gap, axis=1, keepdims=True) / DIMS**0.5
        return unit(real[one] + share * gap + 0.1 * (size + 1e-3) * noise)
    fall = np.arange(1, DIMS + 1, dtype=np.float32) ** -0.5
    kinds = max(8, count // 500)
    centre = random.standard_normal((kinds, DIMS), np.float32) * fall
    own = random.integers(kinds, size=count)
    return unit(centre[own] + 0.6 * fall * random.standard_normal((count, DIMS), np.float32))


def make(settings: Settings, archive: Path, vectors: Floats) -> int:
    """Commit clips of four windows each and their codes; return the bytes of the codes' files."""
    make_catalog(settings, archive, -(-len(vectors) // (2 * WINDOWS)))
    catalog = Catalog(settings.catalog)
    clips = named(catalog.snapshot(), "clip_givens")
    files = []
    for at in range(0, len(vectors), ROWS_A_FILE):
        some = vectors[at : at + ROWS_A_FILE]
        rows = clips.take((at + np.arange(len(some))) // WINDOWS)
        window = np.arange(at, at + len(some)) % WINDOWS
        start = rows["start_ns"].to_numpy() + window * settings.clip_max_ns // WINDOWS
        columns = {
            "code_id": [f"{k:032x}" for k in range(at, at + len(some))],
            "clip_id": rows["clip_id"],
            "session_id": rows["session_id"],
            "model": ["distiller"] * len(some),
            "version": ["v"] * len(some),
            "given": rows["given"],
            "seen": [1] * len(some),
            "start_ns": start,
            "end_ns": start + settings.clip_max_ns // WINDOWS,
            "embedding": list(some),
        }
        files.append(write_file(CODES, filled(CODES, columns), catalog.uri))
    catalog.commit_files(CODES, files)
    served = {"model": ["distiller"], "version": ["v"], "chosen_ns": [1]}
    catalog.commit(CODE_VERSIONS, filled(CODE_VERSIONS, served).to_pylist())
    return sum(file.bytes for file in files)


if __name__ == "__main__":
    main()
