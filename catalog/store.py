"""Commits rows: the one place where the catalog changes.

Writes data files and the tables' logs under the catalog's folder or URI; reads the stored keys. A
commit is atomic: a reader sees all of it or none, a killed writer leaves at most files that no
snapshot names. Runs at the same time commit one after the other: on one machine under a lock, on
several by what the log says.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import uniform
from tempfile import gettempdir
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa
from filelock import FileLock

from catalog.datafile import (
    WrittenFile,
    read_columns,
    remove_file,
    split_partitions,
    table_uri,
    write_file,
)
from catalog.ids import digest
from catalog.known import new_rows
from catalog.overtaken import OvertakenError, removed_if_overtaken
from catalog.snapshot import Snapshot
from catalog.table import conform
from infra.errors import CatalogBusyError, HomeNotWritableError
from infra.storage import disk_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from deltalake import DeltaTable

    from catalog.table import Rows, Table

T = TypeVar("T")
# Waiting committers look this often; a commit takes about 30 ms.
LOCK_POLL_S = 0.02
# How often a commit is tried where other machines commit too, and how long it waits in between.
ATTEMPTS, OVERTAKEN_PAUSE_S = 50, 0.2


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit did: `version` is the table's after it, -1 where there is no table yet.

    `rows_known` were stored already, or named twice in the batch, and have been left out.
    """

    table: str
    rows_added: int
    rows_known: int
    version: int


class Catalog:
    """The tables at one path or URI, which is made at the first commit."""

    def __init__(self, uri: str | Path) -> None:
        text = str(uri)
        self.uri = text.rstrip("/") if "://" in text else str(Path(text).expanduser().absolute())
        self._lock: FileLock | None = None
        # What was added through this object, by table: what metrics tell of a run.
        self.rows_added: Counter[str] = Counter()

    def snapshot(self) -> Snapshot:
        """Return the latest snapshot; of a catalog that does not exist, the empty one."""
        return Snapshot.take(self.uri)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the right to commit: for several commits without another run's in between.

        The lock is a file, held by the operating system for a live process only, so a killed
        holder frees it. It serves the processes of one machine; a catalog on an object store has
        its lock in this machine's temporary folder. Between machines the log itself tells who was
        second, and that one looks again which of its keys are new.
        """
        if self._lock is None:
            with disk_errors(self.uri):
                self._lock = FileLock(self._lock_path(), poll_interval=LOCK_POLL_S)
        with self._lock:
            yield

    def commit(self, table: Table, rows: Rows) -> Commit:
        """Add the rows whose key is new.

        Raises:
            TableMismatchError: the rows, or the stored table, do not fit the declaration.
            DiskFullError: the disk is full; nothing was added.
        """
        data = conform(table, rows)

        def attempt() -> Commit:
            log = self._log(table)
            new = data.take(pa.array(new_rows(table, data, self._stored_files(table, log))))
            files = [write_file(table, part, self.uri) for part in split_partitions(table, new)]
            return self._add(table, log, files, data.num_rows - new.num_rows, written=files)

        return self.until_first(attempt)

    def commit_files(self, table: Table, files: Sequence[WrittenFile]) -> Commit:
        """Add files that `datafile.write_file` wrote for this catalog.

        Rows whose key is known are left out: such a file is written again without them, or
        removed where none is left. A file that is committed already is known as a whole, so the
        same call may be repeated.

        Raises:
            TableMismatchError: the stored table does not fit the declaration.
            DiskFullError: the disk is full; nothing was added.
        """
        from catalog.tablelog import log_paths

        def attempt() -> Commit:
            log = self._log(table)
            committed = set(log_paths(log))
            fresh = [file for file in files if file.path not in committed]
            stored = self._stored_files(table, log, [dict(file.partition) for file in fresh])
            keep = self._without_known(table, fresh, stored)
            known = sum(file.rows for file in files) - sum(file.rows for file in keep)
            again = [file for file in keep if file.path not in {one.path for one in fresh}]
            commit = self._add(table, log, keep, known, written=again)
            for path in {file.path for file in fresh} - {file.path for file in keep}:
                remove_file(table, path, self.uri)
            return commit

        return self.until_first(attempt)

    def until_first(self, attempt: Callable[[], T]) -> T:
        """Do what changes a table, again for as long as another machine is quicker.

        `attempt` looks at the table anew each time, and takes away what it wrote in vain.

        Raises:
            CatalogBusyError: others always are.
        """
        with self.locked():
            for _ in range(ATTEMPTS):
                with suppress(OvertakenError):
                    return attempt()
                # Two that are equally quick would meet again.
                time.sleep(uniform(0, OVERTAKEN_PAUSE_S))  # noqa: S311  no secret
        raise CatalogBusyError(
            f"Others have committed to {self.uri} {ATTEMPTS} times before this could be.",
            command="stillhouse show runs",
        )

    def _without_known(
        self, table: Table, files: Sequence[WrittenFile], stored: Sequence[str]
    ) -> list[WrittenFile]:
        """Return files that hold new rows only; those that held others are written again."""
        if not table.key or not files:
            return list(files)
        keys = [read_columns(table, file.path, self.uri, list(table.key)) for file in files]
        new = new_rows(table, pa.concat_tables(keys), stored)
        keep, first = [], 0
        for file, part in zip(files, keys, strict=True):
            last = first + part.num_rows
            mine = new[np.searchsorted(new, first) : np.searchsorted(new, last)] - first
            if len(mine) == part.num_rows:
                keep.append(file)
            elif len(mine):
                rows = read_columns(table, file.path, self.uri, table.schema.names)
                keep.append(write_file(table, rows.take(pa.array(mine)), self.uri))
            first = last
        return keep

    def _add(
        self,
        table: Table,
        log: DeltaTable | None,
        files: Sequence[WrittenFile],
        known: int,
        *,
        written: Sequence[WrittenFile],
    ) -> Commit:
        """Add files; those that were `written` for this attempt go if another was quicker."""
        from catalog.tablelog import append

        if files:
            with removed_if_overtaken(table, written, self.uri):
                version = append(self.uri, table, log, files)
        else:
            version = -1 if log is None else log.version()
        added = sum(file.rows for file in files)
        self.rows_added[table.name] += added
        return Commit(table.name, added, known, version)

    def _log(self, table: Table) -> DeltaTable | None:
        from catalog.tablelog import open_log

        return open_log(self.uri, table)

    def _stored_files(
        self, table: Table, log: DeltaTable | None, partitions: Sequence[dict[str, str]] = ()
    ) -> list[str]:
        from catalog.tablelog import log_paths

        root = table_uri(self.uri, table)
        return [f"{root}/{path}" for path in log_paths(log, partitions)]

    def _lock_path(self) -> str:
        if "://" in self.uri:
            return str(Path(gettempdir()) / f"stillhouse-{digest(self.uri)}.lock")
        try:
            Path(self.uri).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise HomeNotWritableError(
                f"The catalog cannot be made at {self.uri}: a file is in the way.",
                command="export STILLHOUSE_HOME=/a/folder/of/yours",
            ) from error
        return str(Path(self.uri) / ".lock")
