"""Which rows a partition of a table has, as sorted 64-bit keys kept on disk beside the catalog.

Reads Parquet files of the partition that it has not seen; writes `<folder>/<name>.json` and the
keys that it names. Row groups of features are small, for the look-up of one clip: to read which of
100 million rows there are takes most of a minute, to map what was read before a tenth of a second.

A key is DuckDB's hash of columns. Two of 13 million different rows have one with a chance of 5e-6,
and then a plan takes one clip for done that is not.
"""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt
from blake3 import blake3

from catalog.datafile import table_uri
from catalog.ids import digest
from catalog.query import connect
from catalog.schemas.registry import TABLES
from infra.errors import DiskFullError, HomeNotWritableError
from infra.storage import atomic_write_bytes, atomic_write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from catalog.snapshot import Snapshot
    from catalog.table import Table
    from catalog.tablelog import StoredFile

Keys: TypeAlias = npt.NDArray[np.uint64]
ROWS_AT_ONCE = 1 << 20
# Partitions: a plan asks for eleven of one model, and versions of before are asked for no more.
MOST_KEPT = 64


class KeptKeys:
    """Keys of partitions, kept in a folder; where it takes no files they are read each time.

    Several threads may ask at once, each for its partition, which is read by that thread alone: to
    sort its keys takes as long as to read them, and no engine shares that out.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._writing = folder, Lock()

    def keys(
        self, snapshot: Snapshot, table: Table, partition: Mapping[str, str], question: str
    ) -> Keys:
        """Return the distinct keys of a partition's rows, ascending.

        `question` is SQL that follows `select` and gives the keys as its one column.
        """
        files = {one.path: one.rows for one in partition_files(snapshot, table, partition)}
        # Another DuckDB may hash otherwise.
        name = digest(table.name, dict(partition), question, duckdb.__version__)
        known, kept = self._read(name)
        fresh = sorted(files.keys() - known)
        if not fresh and known == files.keys():
            return kept
        found = self._of(snapshot, table, fresh, question)
        if known:
            found = merged([kept, found])
            # Compaction moves rows into other files, a vacuum takes some away: where there are as
            # many keys as rows it was the former.
            if not known <= files.keys() and len(found) != sum(files.values()):
                found = self._of(snapshot, table, sorted(files), question)
        self._write(name, files, found)
        return found

    def _of(self, snapshot: Snapshot, table: Table, paths: list[str], question: str) -> Keys:
        if not paths:
            return np.empty(0, np.uint64)
        root = table_uri(snapshot.catalog_uri, table)
        files = dict.fromkeys(TABLES, ()) | {table.name: [f"{root}/{path}" for path in paths]}
        with connect(snapshot, files=files, names={table.name}) as connection:
            connection.execute("set preserve_insertion_order = false")
            reader = connection.sql(f"select {question}").to_arrow_reader(ROWS_AT_ONCE)
            return merged([batch.column(0).to_numpy() for batch in reader])

    def _read(self, name: str) -> tuple[set[str], Keys]:
        """Return the files that were read and their keys; none where that is not there whole."""
        try:
            facts: dict[str, Any] = json.loads((self._folder / f"{name}.json").read_bytes())
            found = (self._folder / f"{facts['keys']}.keys").read_bytes()
            if blake3(found).hexdigest() != facts["keys"]:
                return set(), np.empty(0, np.uint64)
            return set(facts["files"]), np.frombuffer(found, "<u8")
        except (OSError, ValueError, KeyError, TypeError):
            return set(), np.empty(0, np.uint64)

    def _write(self, name: str, files: Iterable[str], keys: Keys) -> None:
        facts = self._folder / f"{name}.json"
        data = keys.astype("<u8", copy=False).view(np.uint8).data
        mark = blake3(data).hexdigest()
        # What is written and not yet named is what is cleaned away.
        with self._writing:
            try:
                atomic_write_bytes(self._folder / f"{mark}.keys", data)
                atomic_write_json(facts, {"files": sorted(files), "keys": mark})
            except (DiskFullError, HomeNotWritableError, NotADirectoryError):
                return  # they are read again next time
            self._clean()

    def _clean(self) -> None:
        """Remove the keys of partitions that were written long before others, and those unnamed."""
        newest = sorted(self._folder.glob("*.json"), key=lambda one: -one.stat().st_mtime_ns)
        for old in newest[MOST_KEPT:]:
            old.unlink(missing_ok=True)
        named = {self._mark(one) for one in newest[:MOST_KEPT]}
        for held in self._folder.glob("*.keys"):
            if held.stem not in named:
                held.unlink(missing_ok=True)

    @staticmethod
    def _mark(facts: Path) -> str | None:
        """Return which keys are named, None where none are."""
        try:
            return str(json.loads(facts.read_bytes())["keys"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def partition_files(
    snapshot: Snapshot, table: Table, partition: Mapping[str, str]
) -> list[StoredFile]:
    """Return the files of a partition, or of several where not every column is named."""
    from catalog.tablelog import open_log, stored_files

    if table.name not in snapshot.versions:
        return []
    log = open_log(snapshot.catalog_uri, table, snapshot.versions[table.name])
    mine = partition.items()
    return [one for one in stored_files(log) if mine <= one.partition.items()]


def merged(parts: list[npt.NDArray[np.uint64]]) -> Keys:
    """Return the distinct keys of all parts, ascending."""
    found = np.concatenate([np.empty(0, np.uint64), *parts])
    found.sort()
    if len(found) < 2:
        return found
    other = np.concatenate([[True], found[1:] != found[:-1]])
    return found if other.all() else found[other]


def among(asked: Keys, there: Keys) -> npt.NDArray[np.bool_]:
    """Tell which keys are among ascending ones, (N,) bool; quickest if `asked` ascends too."""
    if not len(there) or not len(asked):
        return np.zeros(len(asked), bool)
    # Where nothing is missing, which is usual, no search is needed.
    if len(asked) == len(there) and np.array_equal(asked, there):
        return np.ones(len(asked), bool)
    at = np.searchsorted(there, asked)
    at[at == len(there)] = 0
    found: npt.NDArray[np.bool_] = there[at] == asked
    return found
