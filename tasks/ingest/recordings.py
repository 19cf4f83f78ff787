"""Brings an archive's new files into the catalog as recordings, or into quarantine with the reason.

Reads the archive (read-only) and the catalog; writes the tables `recordings` and `quarantine`.
Every file whose path, size and time of change are known is taken as known without being opened;
any other is fingerprinted, and if its bytes are new, decoded once in full in a process that can
be killed.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog import ids
from catalog.comparison import FINGERPRINTS
from catalog.query import rows
from catalog.schemas.quarantine import QUARANTINE
from catalog.schemas.recordings import RECORDINGS
from infra.errors import ArchiveUnreadableError, MediaError
from infra.observability import Bar, log_facts, progress
from infra.ray_cluster import Finished, connect, map_isolated
from tasks.decode import Limits
from tasks.ingest.rows import bad_frames_row, recording_row, refusal_row
from tasks.ingest.scanner import ScanWork, scan_file
from tasks.recordings.media import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.ingest.plan import IngestPlan
    from tasks.ingest.scan import Scan
    from tasks.runs.record import FlowRun

# Scans are committed when there are so many or after so long: a kill loses at most those.
COMMIT_ROWS, COMMIT_S = 256, 20.0
# So many files in a row that cannot be read are a disk or a network, not files.
UNREADABLE_IN_A_ROW = 20

Member = dict[str, Any]


@task(cache_policy=NO_CACHE, persist_result=False)
def scan_recordings(plan: IngestPlan, run: FlowRun) -> pa.Table:
    """Read every fresh file; decode what is new in full; return (member, file_id) of what was read.

    One Ray task a file, killed at its deadline: a native hang or crash costs that file alone.

    Raises:
        ArchiveUnreadableError: many files in a row cannot be read.
    """
    if not plan.counts["fresh"]:
        return FINGERPRINTS.empty_table()
    with (
        plan.listing.compare(plan.snapshot, plan.refusing) as found,
        progress("ingest", plan.counts["fresh"], "files") as bar,
    ):
        batch = _Batch(run)
        reader = _Reader(plan, run, bar, batch)
        try:
            for outcome in _scanned(reader.new_files(found.fresh()), run):
                member = outcome.item.member
                if not isinstance(outcome, Finished):
                    why = f"the decoder died on {member['member']}"
                    batch.add(member, [MediaError(why, reason=outcome.reason)], plan)
                elif outcome.result.unreadable:
                    reader.lose(member, outcome.result.unreadable)
                else:
                    run.ledger.spend({"scan": outcome.result.cpu_s})
                    batch.add(member, outcome.result.results, plan)
                bar.advance(1)
        finally:
            # Also where the storage fails: what was read before is kept.
            batch.flush()
    return reader.fingerprints()


def _scanned(items: Iterator[ScanWork], run: FlowRun) -> Iterator[Any]:
    """Scan what there is to scan; without anything Ray is not started."""
    first = next(items, None)
    if first is None:
        return
    connect(run.settings)
    yield from map_isolated(
        scan_file,
        chain([first], items),
        timeout_s=run.settings.scan_timeout_s,
        concurrency=run.settings.cpus,
    )


class _Reader:
    """Fingerprints fresh files, some ahead of what is being scanned, and picks the new ones."""

    def __init__(self, plan: IngestPlan, run: FlowRun, bar: Bar, batch: _Batch) -> None:
        self._plan, self._run, self._bar, self._batch = plan, run, bar, batch
        self._unreadable = 0
        self._seen: set[str] = set()
        self._file_ids: dict[str, str] = {}

    def fingerprints(self) -> pa.Table:
        """Return (member, file_id) of every file that was read."""
        columns = [list(self._file_ids), list(self._file_ids.values())]
        return pa.table(columns, schema=FINGERPRINTS)

    def lose(self, member: Member, why: str) -> None:
        """Take back a file whose storage failed while it was scanned, and its copies."""
        copies = [name for name, found in self._file_ids.items() if found == member["file_id"]]
        for name in copies:
            del self._file_ids[name]
            self._note_unreadable(name, why)

    def new_files(self, fresh: Iterator[list[Member]]) -> Iterator[ScanWork]:
        """Yield what has to be scanned, each content once."""
        with ThreadPoolExecutor(self._run.settings.cpus) as pool:
            ahead: list[tuple[Member, Future[str]]] = []
            for page in fresh:
                # The next page is being read while this one is scanned.
                later = [(member, pool.submit(self._fingerprint, member)) for member in page]
                yield from self._unknown(ahead)
                ahead = later
            yield from self._unknown(ahead)

    def _fingerprint(self, member: Member) -> str:
        settings = self._run.settings
        return fingerprint(
            self._plan.source(member),
            max_bytes=settings.max_file_bytes,
            max_ratio=settings.max_ratio,
        )

    def _unknown(self, page: list[tuple[Member, Future[str]]]) -> Iterator[ScanWork]:
        read = [member | {"file_id": found} for member, found in self._read(page)]
        known = {
            row["file_id"]
            for row in rows(
                self._plan.snapshot,
                "scanned_files",
                {
                    "file_ids": [member["file_id"] for member in read],
                    "refusing": self._plan.refusing,
                },
            )
        }
        settings = self._run.settings
        limits = Limits(
            file_bytes=settings.max_file_bytes,
            pixels=settings.max_pixels,
            frames=settings.max_frames,
            seconds=settings.max_seconds,
        )
        for member in read:
            if member["file_id"] in known or member["file_id"] in self._seen:
                self._bar.advance(1)
                continue
            self._seen.add(member["file_id"])
            source = self._plan.source(member)
            yield ScanWork(member, source, limits)

    def _read(self, page: list[tuple[Member, Future[str]]]) -> Iterator[tuple[Member, str]]:
        for member, future in page:
            try:
                file_id = future.result()
            except MediaError as error:
                self._refuse(member, error)
                continue
            except OSError as error:
                self._note_unreadable(member["member"], error.strerror or str(error))
                self._bar.advance(1)
                continue
            self._unreadable = 0
            self._file_ids[member["member"]] = file_id
            self._run.ledger.bytes_in += member["size_bytes"]
            yield member, file_id

    def _refuse(self, member: Member, error: MediaError) -> None:
        """Refuse a file whose bytes may not be read: too many of them, a bomb, a link."""
        # There are no bytes to be named by; its place and looks serve until they change.
        looks = (member["size_bytes"], member["mtime_ns"], member["byte_offset"])
        file_id = ids.digest("refused", self._plan.listing.uri, member["member"], *looks)
        self._file_ids[member["member"]] = file_id
        self._batch.add(member | {"file_id": file_id}, [error], self._plan)
        self._bar.advance(1)

    def _note_unreadable(self, name: str, why: str) -> None:
        self._run.ledger.failed += 1
        self._unreadable += 1
        log_facts("unreadable", member=name, why=why)
        if self._unreadable >= UNREADABLE_IN_A_ROW:
            uri = self._plan.listing.uri
            raise ArchiveUnreadableError(
                f"{self._unreadable} files in a row of {uri} cannot be read: {why}. "
                "What was read before them is kept.",
                command=f"stillhouse ingest {uri}",
            )


class _Batch:
    """Rows waiting to be committed together."""

    def __init__(self, run: FlowRun) -> None:
        self._run = run
        self._since = time.monotonic()
        self._recordings: list[dict[str, Any]] = []
        self._quarantine: list[dict[str, Any]] = []

    def add(self, member: Member, results: list[Scan | MediaError], plan: IngestPlan) -> None:
        """Take what was found in one file, stream by stream."""
        ledger = self._run.ledger
        for stream, result in enumerate(results):
            if isinstance(result, MediaError):
                refused = refusal_row(member, plan, self._run, result.reason, str(result))
                self._quarantine.append(refused | {"version": plan.refusing})
                continue
            self._recordings.append(recording_row(member, stream, plan, result, self._run))
            ledger.frames_header += result.frames_header
            ledger.frames_decoded += result.frames_decoded
            ledger.frames_bad += result.frames_bad
            if result.frames_bad:
                self._quarantine.append(bad_frames_row(member, plan, result, self._run))
        count = len(self._recordings) + len(self._quarantine)
        if count >= COMMIT_ROWS or time.monotonic() - self._since >= COMMIT_S:
            self.flush()

    def flush(self) -> None:
        """Commit what is waiting."""
        # Quarantine last: a file counts as refused only when its good streams are safe.
        self._run.catalog.commit(RECORDINGS, self._recordings)
        self._run.catalog.commit(QUARANTINE, self._quarantine)
        self._recordings, self._quarantine = [], []
        self._since = time.monotonic()
