"""Which current clips have codes of a version: millions of them, as arrays of keys.

Reads a snapshot and what `KeptKeys` has kept; writes nothing else. Clips come out of the SQL engine
as 64-bit keys and small integers, so ten million take a gigabyte and no row is a Python object.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.kept_keys import ROWS_AT_ONCE, among, merged
from catalog.query import ask, connect_to, query_text
from catalog.schemas.clips import CLIPS
from catalog.schemas.codes import CODES
from catalog.schemas.features import FEATURES
from catalog.schemas.files import FILES
from catalog.schemas.labels import LABELS
from catalog.schemas.quarantine import QUARANTINE
from catalog.schemas.recordings import RECORDINGS
from catalog.schemas.sessions import SESSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from catalog.kept_keys import KeptKeys, Keys
    from catalog.snapshot import Snapshot

    Columns: TypeAlias = dict[str, npt.NDArray[Any]]

# What says which clips are current, and through which cameras and labels.
CLIP_TABLES = (FILES, SESSIONS, RECORDINGS, LABELS, CLIPS)
# What camera_sets.sql gives.
CAMERA_SETS = pa.schema(
    [
        pa.field("set_key", pa.uint64()),
        pa.field("set_no", pa.int32()),
        pa.field("session_id", pa.string()),
        pa.field("cameras", pa.int32()),
        pa.field("given", pa.string()),
        pa.field("camera_id", pa.string()),
        pa.field("is_first", pa.bool_()),
        pa.field("labels", pa.string()),
        pa.field("calibration", pa.string()),
    ]
)
FEATURE_KEYS = "hash(clip_id, camera_id, given) from features"
# A clip has all its windows or none: the first says it.
CODE_KEYS = "hash(clip_id, given) from codes where first_step = 0"
# The column of clip_keys.sql with the key of a feature, by what its view is given.
_BY_GIVEN = {"": "plain", "labels": "labels", "calibration": "calibration"}
# 10 million clips of 100,000 sessions take 0.6 GB in the engine.
MEMORY_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Wanted:
    """Codes of a model in a version, and the features they wait for.

    `features` maps each view to its version and to the kind of what it is given; `serving` is the
    version that serves now, None where none does.
    """

    model: str
    version: str
    features: Mapping[str, tuple[str, str]]
    serving: str | None = None


@dataclass(frozen=True, slots=True)
class CodeState:
    """How many current clips have codes, were refused, wait for features; which are due.

    `due` are the keys of those to be encoded, ascending; `sessions` those they are of, each with
    their number, by id. `shapes` counts them by (grid steps, cameras). `replaced` of them have a
    code of the version that serves.
    """

    clips: int
    cached: int
    refused: int
    pending: int
    due: Keys = field(repr=False)
    sessions: Mapping[str, int] = field(repr=False)
    shapes: Mapping[tuple[int, int], int] = field(repr=False)
    replaced: int = 0


def code_state(
    snapshot: Snapshot, wanted: Wanted, kept: KeptKeys, step_ns: int, *, threads: int = 1
) -> CodeState:
    """Return the state of the codes that are wanted of every current clip of a snapshot.

    Each thread holds a partition's keys: 104 MB where it has 13 million.
    """
    with ThreadPoolExecutor(threads) as pool:
        made = pool.submit(_codes, snapshot, wanted.model, wanted.version, kept)
        before = pool.submit(_codes, snapshot, wanted.model, _replaced(wanted), kept)
        with connect_to(
            snapshot, (*CLIP_TABLES, QUARANTINE), threads=threads, memory_bytes=MEMORY_BYTES
        ) as connection:
            connection.execute("set preserve_insertion_order = false")
            sets = ask(connection, query_text("camera_sets"))
            connection.register("camera_sets", sets)
            clips = _clips(connection, wanted.version, step_ns)
            refused = _refused(connection, wanted)
        ordered = pool.submit(_ordered, clips)
        lacking = _lacking(snapshot, wanted, clips, refused, kept, pool)
    return _counted(wanted, ordered.result(), lacking, made.result(), before.result(), sets)


def _clips(connection: duckdb.DuckDBPyConnection, version: str, step_ns: int) -> Columns:
    """Return the columns of clip_keys.sql, a row a clip and camera."""
    given = {"version": version, "step_ns": step_ns}
    reader = connection.sql(query_text("clip_keys"), params=given).to_arrow_reader(ROWS_AT_ONCE)
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in reader.schema.names}
    for batch in reader:
        for name, found in parts.items():
            found.append(batch.column(name).to_numpy(zero_copy_only=False))
    none = {field.name: np.empty(0, field.type.to_pandas_dtype()) for field in reader.schema}
    # One after the other, so that each column is there twice for a moment only.
    return {name: np.concatenate([none[name], *parts.pop(name)]) for name in list(parts)}


def _refused(connection: duckdb.DuckDBPyConnection, wanted: Wanted) -> dict[str, Keys]:
    """Return by view the keys of features that nobody waits for, since they were refused."""
    given = {
        "views": list(wanted.features),
        "versions": [version for version, _ in wanted.features.values()],
        "givens": [kind for _, kind in wanted.features.values()],
    }
    found = ask(connection, query_text("refused_features"), given)
    views, keys = found["view"].to_numpy(zero_copy_only=False), found["key"].to_numpy()
    return {view: keys[views == view] for view in wanted.features}


def _lacking(
    snapshot: Snapshot,
    wanted: Wanted,
    clips: Columns,
    refused: Mapping[str, Keys],
    kept: KeptKeys,
    pool: ThreadPoolExecutor,
) -> Keys:
    """Return the keys of the clips that lack a feature of any view, ascending."""

    def lack(view: str, keys: Keys, ascending: Keys, codes: Keys) -> Keys:
        names = {"view": view, "version": wanted.features[view][0]}
        there = kept.keys(snapshot, FEATURES, names, FEATURE_KEYS)
        if len(refused[view]):
            there = merged([there, refused[view]])
        # Few are missing: to look for those takes less than to carry all codes into their order.
        return codes[among(keys, ascending[~among(ascending, there)])]

    found: list[Future[Keys]] = []
    by_kind: dict[str, list[str]] = {}
    for view, (_, kind) in wanted.features.items():
        # Without labels, which is usual, what is given them is given nothing.
        unlabelled = kind == "labels" and np.array_equal(clips["labels"], clips["plain"])
        by_kind.setdefault("" if unlabelled else kind, []).append(view)
    for kind, views in by_kind.items():
        keys, codes = clips[_BY_GIVEN[kind]], clips["code"]
        if kind == "calibration":
            keys, codes = keys[clips["is_calibrated"]], codes[clips["is_calibrated"]]
        ascending = np.sort(keys)
        found += [pool.submit(lack, view, keys, ascending, codes) for view in views]
    return merged([one.result() for one in found])


def _ordered(clips: Columns) -> Columns:
    """Return a row a clip, by the key of its code, ascending."""
    first = np.flatnonzero(clips["is_first"])
    first = first[np.argsort(clips["code"][first])]
    return {name: clips[name][first] for name in ("code", "set_no", "steps", "is_refused")}


def _counted(
    wanted: Wanted, clips: Columns, lacking: Keys, made: Keys, before: Keys, sets: pa.Table
) -> CodeState:
    code, numbers, steps = clips["code"], clips["set_no"], clips["steps"]
    there = among(code, made)
    refused = clips["is_refused"] & ~there
    fresh = ~there & ~refused
    # Without any view a window says nothing.
    ready = fresh & ~among(code, lacking) if wanted.features else np.zeros(len(code), bool)
    due = code[ready]
    heads = sets.filter(sets["is_first"]).sort_by("set_no")
    cameras = heads["cameras"].to_numpy().astype(np.int64)
    sessions = _by_session(np.bincount(numbers[ready], minlength=len(heads)), heads)
    return CodeState(
        clips=len(code),
        cached=int(there.sum()),
        refused=int(refused.sum()),
        pending=int(fresh.sum()) - len(due),
        due=due,
        sessions=sessions,
        shapes=_shapes(steps[ready], cameras[numbers[ready]] if len(heads) else steps[ready]),
        replaced=int(among(due, before).sum()),
    )


def _replaced(wanted: Wanted) -> str | None:
    """Return the version that serves in place of the one that is wanted."""
    return None if wanted.serving == wanted.version else wanted.serving


def _codes(snapshot: Snapshot, model: str, version: str | None, kept: KeptKeys) -> Keys:
    if version is None:
        return np.empty(0, np.uint64)
    names = {"model": model, "version": version}
    return kept.keys(snapshot, CODES, names, CODE_KEYS)


def _by_session(counts: npt.NDArray[np.int64], heads: pa.Table) -> dict[str, int]:
    found: Counter[str] = Counter()
    for session_id, count in zip(heads["session_id"].to_pylist(), counts.tolist(), strict=True):
        if count:
            found[session_id] += count
    return dict(sorted(found.items()))


def _shapes(
    steps: npt.NDArray[np.int32], cameras: npt.NDArray[np.int64]
) -> dict[tuple[int, int], int]:
    both = steps.astype(np.int64) << 16 | cameras
    found, counts = np.unique(both, return_counts=True)
    return {
        (int(one) >> 16, int(one) & 0xFFFF): int(count)
        for one, count in zip(found, counts, strict=True)
    }
