"""The worker of ingest: scans every video stream of one file and says what was found.

Runs in a Ray worker and does not know it; reads the archive, writes nothing. It imports no engine
(1 s of CPU a worker).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from infra.errors import MediaError
from tasks.ingest.scan import Scan, scan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.decode import Limits, Source


@dataclass(frozen=True, slots=True)
class ScanWork:
    """One file to scan: what the listing and its fingerprint say of it, and the limits."""

    member: Mapping[str, Any]
    source: Source
    limits: Limits


@dataclass(frozen=True, slots=True)
class Scanned:
    """What came of it, stream by stream, the CPU seconds, or why the file could not be read."""

    results: list[Scan | MediaError]
    cpu_s: float = 0.0
    unreadable: str | None = None


def scan_file(work: ScanWork) -> Scanned:
    """Scan a file; damage and limits are in the results, a failing storage is `unreadable`."""
    started = time.process_time()
    found: list[Scan | MediaError] = []
    streams = 1
    try:
        while len(found) < streams:
            source = replace(work.source, stream=len(found))
            try:
                result = scan(source, work.limits)
            except MediaError as refused:
                found.append(refused)
            else:
                streams = result.header.claims.video_streams
                found.append(result)
    except OSError as error:
        return Scanned([], unreadable=error.strerror or str(error))
    return Scanned(found, time.process_time() - started)
