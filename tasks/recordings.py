"""Brings an archive's files into the catalog as recordings, or into quarantine with the reason.

Reads the archive (read-only) and the catalog; writes the tables `recordings` and `quarantine`.
Every file whose path, size and time of change are known is taken as known without being opened;
any other is fingerprinted, and if its bytes are new, decoded once in full in a process that can
be killed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog import ids
from catalog.query import rows
from catalog.schemas.quarantine import QUARANTINE
from catalog.schemas.recordings import RECORDINGS
from infra.errors import MediaError
from infra.observability import progress
from infra.ray_cluster import Finished, connect, map_isolated
from tasks.archive import Entry, archive_uri, list_archive, require_entries
from tasks.decode import decoder_build
from tasks.scan import Scan, scan_file
from tasks.shots import find_boundaries

if TYPE_CHECKING:
    from tasks.run_record import FlowRun

STAGE = "ingest"
# Recordings committed at a time: a kill loses at most this many scans.
COMMIT_EVERY = 32


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog last saw of one member."""

    member: str
    size_bytes: int
    mtime_ns: int
    file_id: str
    session_id: str | None
    status: str


class Listing:
    """One archive's files now, and what the catalog knew of them before this run."""

    def __init__(self, uri: str, entries: list[Entry], known: dict[str, Known]) -> None:
        self.uri = uri
        self.entries = {entry.member: entry for entry in entries}
        self.known = known
        self.file_ids: dict[str, str] = {}
        self.unread: dict[str, str] = {}
        self.refused: set[str] = set()

    def unchanged(self, entry: Entry) -> bool:
        """Whether a file has the size and time of change it had when it was last read."""
        before = self.known.get(entry.member)
        return before is not None and (before.size_bytes, before.mtime_ns) == (
            entry.size_bytes,
            entry.mtime_ns,
        )

    @property
    def changed(self) -> bool:
        """Whether anything is not as it was last seen: new, replaced, unreadable, or gone."""
        return bool(self.gone) or not all(map(self.unchanged, self.entries.values()))

    @property
    def gone(self) -> list[Known]:
        """Members that were there and are no more."""
        return [known for member, known in sorted(self.known.items()) if member not in self.entries]


@task(cache_policy=NO_CACHE, persist_result=False)
def list_files(location: str, run: FlowRun) -> Listing:
    """List an archive and fingerprint what is new or changed in it.

    Raises:
        ArchiveNotFoundError, ArchiveUnreadableError, ArchiveEmptyError: nothing can be ingested.
    """
    entries = list(list_archive(location))
    require_entries(entries, location)
    uri = archive_uri(location)
    known = {
        row["member"]: Known(**{name: row[name] for name in Known.__slots__})
        for row in rows(run.catalog.snapshot(), "known_files", {"archive_uri": uri})
    }
    listing = Listing(uri, entries, known)
    fresh = []
    for entry in entries:
        if not _is_text(entry.member):
            listing.unread[entry.member] = "its name is not text that can be kept"
        elif listing.unchanged(entry):
            listing.file_ids[entry.member] = known[entry.member].file_id
        else:
            fresh.append(entry)
    with progress("fingerprint", sum(entry.size_bytes for entry in fresh), "B") as bar:
        for entry in fresh:
            try:
                listing.file_ids[entry.member] = ids.file_id(entry.path)
            except OSError as error:
                listing.unread[entry.member] = f"{error.strerror or error}: {entry.path}"
            else:
                run.ledger.bytes_in += entry.size_bytes
            bar.advance(entry.size_bytes)
    run.ledger.inputs = len(entries)
    run.ledger.failed = len(listing.unread)
    return listing


def _is_text(name: str) -> bool:
    """Tell whether a file name can be kept in a table: bytes that are not UTF-8 cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@task(cache_policy=NO_CACHE, persist_result=False)
def scan_recordings(listing: Listing, run: FlowRun) -> None:
    """Decode every new file once in full; commit its recordings or its refusal.

    One Ray task a file, killed at its deadline: a native hang or crash costs that file alone.
    """
    snapshot = run.catalog.snapshot()
    held = {row["file_id"] for row in rows(snapshot, "scanned_files", {})}
    listing.refused = {row["file_id"] for row in rows(snapshot, "refused_files", {})}
    fresh: dict[str, Entry] = {}
    for member, file_id in sorted(listing.file_ids.items()):
        if file_id not in held and file_id not in listing.refused:
            fresh.setdefault(file_id, listing.entries[member])
    if not fresh:
        return
    connect(run.settings)
    batch, spent = _Batch(run), 0.0
    limits = (run.settings.max_pixels, run.settings.max_frames)
    items = [(file_id, entry.path, *limits) for file_id, entry in fresh.items()]
    with progress("scan", len(items), "recordings") as bar:
        for outcome in map_isolated(
            scan_file,
            items,
            timeout_s=run.settings.scan_timeout_s,
            concurrency=run.settings.cpus,
        ):
            file_id = outcome.item[0]
            entry = fresh[file_id]
            if isinstance(outcome, Finished):
                found, cpu_s = outcome.result
                spent += cpu_s
            else:
                found = [MediaError(f"the decoder died on {entry.member}", reason=outcome.reason)]
            for stream, result in enumerate(found):
                if isinstance(result, Scan):
                    batch.recordings.append(_recording(file_id, stream, entry, result, run))
                    run.ledger.frames_header += result.frames_header
                    run.ledger.frames_decoded += result.frames_decoded
                    run.ledger.frames_bad += result.frames_bad
                    if result.frames_bad:
                        batch.quarantine.append(_bad_frames(file_id, entry, result, run))
                else:
                    batch.quarantine.append(_refusal(file_id, entry, result, run))
            if not any(isinstance(result, Scan) for result in found):
                listing.refused.add(file_id)
            batch.flush(at_least=COMMIT_EVERY)
            bar.advance(1)
    batch.flush()
    run.ledger.extra["cpu_scan_s"] = round(spent, 3)


class _Batch:
    """Rows waiting to be committed together."""

    def __init__(self, run: FlowRun) -> None:
        self.run = run
        self.recordings: list[dict[str, Any]] = []
        self.quarantine: list[dict[str, Any]] = []

    def flush(self, at_least: int = 1) -> None:
        if len(self.recordings) + len(self.quarantine) < at_least:
            return
        # Quarantine last: a file counts as refused only when its good streams are safe.
        self.run.catalog.commit(RECORDINGS, self.recordings)
        self.run.catalog.commit(QUARANTINE, self.quarantine)
        self.recordings, self.quarantine = [], []


def _recording(
    file_id: str, stream: int, entry: Entry, found: Scan, run: FlowRun
) -> dict[str, Any]:
    header = found.header
    boundaries = find_boundaries(found.signals, found.bad_spans)
    return {
        "recording_id": ids.recording_id(file_id, stream),
        "file_id": file_id,
        "archive_uri": entry.archive_uri,
        "member": entry.member,
        "stream": stream,
        "byte_offset": 0,
        "byte_size": entry.size_bytes,
        "container": header.container,
        "codec": header.codec,
        "pixel_format": header.pixel_format,
        "width": header.width,
        "height": header.height,
        "rotation": header.rotation,
        "color_space": header.color_space,
        "color_range": header.color_range,
        "color_transfer": header.color_transfer,
        "color_primaries": header.color_primaries,
        "rate_num": header.rate_num,
        "rate_den": header.rate_den,
        "is_vfr": found.is_vfr,
        "start_pts": found.start_pts,
        "time_base_num": found.time_base_num,
        "time_base_den": found.time_base_den,
        "duration_ns": found.duration_ns,
        "frames_header": found.frames_header,
        "frames_decoded": found.frames_decoded,
        "frames_bad": found.frames_bad,
        "bad_spans": [
            {"start_ns": span.start_ns, "end_ns": span.end_ns} for span in found.bad_spans
        ],
        "cuts_ns": [one.t_ns for one in boundaries],
        "cut_kinds": [one.kind for one in boundaries],
        "reason": found.reason,
        "has_audio": header.has_audio,
        "signals": found.signals.pack(),
        "hashes": found.hashes.astype("<u8").tobytes(),
        "status": "salvaged" if found.frames_bad else "ok",
        "decoder_build": decoder_build(),
        "flow_run_id": run.flow_run_id,
    }


def _refusal(file_id: str, entry: Entry, error: MediaError, run: FlowRun) -> dict[str, Any]:
    return _quarantine(file_id, entry, run, reason=error.reason, detail=str(error), kind="file")


def _bad_frames(file_id: str, entry: Entry, found: Scan, run: FlowRun) -> dict[str, Any]:
    """Record the unusable span of a recording whose other frames were kept."""
    first, last = found.bad_spans[0], found.bad_spans[-1]
    return _quarantine(
        file_id,
        entry,
        run,
        reason=found.reason or "bad_frames",
        detail=f"{found.frames_bad} of {found.frames_decoded + found.frames_bad} frames unusable; "
        "the rest was kept",
        kind="span",
    ) | {"start_ns": first.start_ns, "end_ns": last.end_ns, "frames": found.frames_bad}


def _quarantine(
    file_id: str, entry: Entry, run: FlowRun, *, reason: str, detail: str, kind: str
) -> dict[str, Any]:
    return {
        "item_id": file_id,
        "kind": kind,
        "stage": STAGE,
        "frames": 0,
        "reason": reason,
        "detail": detail,
        "archive_uri": entry.archive_uri,
        "member": entry.member,
        "flow_run_id": run.flow_run_id,
        "seen_ns": time.time_ns(),
    }
