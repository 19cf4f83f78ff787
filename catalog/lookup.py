"""Reads features of single clips out of a large store, many times on one snapshot.

Reads the snapshot's Parquet files; writes nothing. Rows are sorted by session: which row groups
may hold one is told by the statistics in the files' footers, which are read once. Among a million
features SQL takes 100 ms to pass over 7,800 row groups; here that is a comparison of two arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.datafile import filesystem
from catalog.query import ask, connect, query_text
from catalog.schemas.features import FEATURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from catalog.snapshot import Snapshot

_LAST_NS = (1 << 63) - 1


class FeatureFiles:
    """The row groups of some views, in one version each; any number of threads may read."""

    def __init__(self, snapshot: Snapshot, versions: Mapping[str, str]) -> None:
        self._system, _ = filesystem(snapshot.catalog_uri)
        self._footers: dict[str, Any] = {}
        self._groups: dict[str, _Groups] = {}
        files = snapshot.files(FEATURES)
        for view, version in versions.items():
            mine = [path for path in files if f"/view={view}/version={version}/" in path]
            for path in mine:
                name = path.split("://", 1)[-1]
                self._footers[name] = pq.read_metadata(name, filesystem=self._system)
            names = [path.split("://", 1)[-1] for path in mine]
            self._groups[view] = _Groups({name: self._footers[name] for name in names})

    def rows(
        self,
        clips: Mapping[str, str],
        columns: Sequence[str] | None = None,
        starts: Mapping[str, int] | None = None,
    ) -> pa.Table:
        """Return the rows of some clips, by `{clip_id: session_id}`, through all cameras.

        `columns` are those that are wanted besides `clip_id`; None: all. With `starts`, the
        `start_ns` of each clip, a long session is read about them only, not as a whole.
        """
        wanted = None if columns is None else list(dict.fromkeys(["clip_id", *columns]))
        ids = pa.array(list(clips), pa.string())
        parts = [FEATURES.schema.empty_table().select(wanted or FEATURES.schema.names)]
        for groups in self._groups.values():
            for path, numbers in groups.holding(_spans(clips, starts)):
                file = pq.ParquetFile(path, metadata=self._footers[path], filesystem=self._system)
                found = file.read_row_groups(numbers, columns=wanted, use_threads=False)
                parts.append(found.filter(pc.is_in(found["clip_id"], ids)))
        return pa.concat_tables(parts, promote_options="permissive")


def _spans(
    clips: Mapping[str, str], starts: Mapping[str, int] | None
) -> dict[str, tuple[int, int]]:
    """Return for each session the first and the last start of what is wanted of it."""
    spans: dict[str, tuple[int, int]] = {}
    for clip_id, session_id in clips.items():
        first, last = (0, _LAST_NS) if starts is None else (starts[clip_id],) * 2
        before = spans.get(session_id, (first, last))
        spans[session_id] = min(first, before[0]), max(last, before[1])
    return spans


class _Groups:
    """The row groups of one view, and the first and last session and start in each."""

    def __init__(self, footers: Mapping[str, Any]) -> None:
        session, start = (FEATURES.schema.names.index(n) for n in ("session_id", "start_ns"))
        self._places: list[tuple[str, int]] = []
        first, last, from_ns, to_ns = [], [], [], []
        for path, footer in footers.items():
            for number in range(footer.num_row_groups):
                bounds, times = (
                    footer.row_group(number).column(at).statistics for at in (session, start)
                )
                self._places.append((path, number))
                first.append(bounds.min)
                last.append(bounds.max)
                from_ns.append(times.min)
                to_ns.append(times.max)
        self._first, self._last = np.array(first, np.str_), np.array(last, np.str_)
        self._from_ns, self._to_ns = np.array(from_ns, np.int64), np.array(to_ns, np.int64)

    def holding(self, spans: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, list[int]]]:
        """Yield each file with the numbers of its groups that may hold what is wanted.

        `spans` are for each session the first and last start of it.
        """
        may = np.zeros(len(self._places), bool)
        for session, (start_ns, end_ns) in spans.items():
            mine = (self._first <= session) & (session <= self._last)
            may |= mine & (self._from_ns <= end_ns) & (start_ns <= self._to_ns)
        found: dict[str, list[int]] = {}
        for k in np.flatnonzero(may):
            path, number = self._places[k]
            found.setdefault(path, []).append(number)
        yield from found.items()


class FeatureLookup:
    """Looks up single clips by their id alone; one thread at a time."""

    def __init__(self, snapshot: Snapshot, versions: Mapping[str, str]) -> None:
        self._files = FeatureFiles(snapshot, versions)
        self._connection = connect(snapshot)
        self._connection.execute("set parquet_metadata_cache = true")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def of(self, clip_id: str) -> pa.Table:
        """Return the rows of one clip through all its cameras; none if there is no such clip."""
        found = ask(self._connection, query_text("clip_session"), {"clip_id": clip_id})
        sessions = found["session_id"].to_pylist()
        return self._files.rows(dict(zip([clip_id], sessions, strict=False)))
