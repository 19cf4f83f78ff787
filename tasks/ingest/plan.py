"""What one ingest will do: which files are new, changed or gone, and which sessions stand.

Reads the archive's listing and the catalog; opens no file and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog import ids
from catalog.query import rows
from tasks.archives.contents import source_of
from tasks.archives.listing import Listing, read_listing
from tasks.clocks.by_joints import is_ready
from tasks.decode import decoder_build
from tasks.rigs.rig import clocking_digest
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.snapshot import Snapshot
    from infra.settings import Settings
    from tasks.recordings.media import Source
    from tasks.runs.record import FlowRun

# What sessions, shots and clips are formed by, beside the settings.
FORMERS = (
    "tasks.sessions.layout",
    "tasks.sessions.simultaneous",
    "tasks.sessions.clips",
    "tasks.ingest.shots",
    "tasks.clocks.clock",
    "tasks.ingest.signals",
)


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """A listing, the snapshot it was held against, and how many members are what.

    `forming` is the digest of what sessions and clips are formed by, `clocking` of what their
    clocks are found by, `refusing` of what files are refused by: what any of them decided under
    another digest is decided again, from what is known. `seen_ns` is when anything of the archive
    was last seen, by whatever clock: what is seen now stands after it.
    """

    listing: Listing
    snapshot: Snapshot
    forming: str
    clocking: str
    refusing: str
    counts: Mapping[str, int]
    seen_ns: int

    @property
    def is_idle(self) -> bool:
        """Whether the catalog already says all there is to say."""
        return not (self.counts["fresh"] or self.counts["gone"] or self.counts["to_form"])

    def source(self, member: Mapping[str, Any]) -> Source:
        """Return how a member's bytes are opened."""
        return source_of(
            self.listing.uri,
            member["member"],
            member["byte_offset"],
            member["size_bytes"],
            packed=member["packed"],
        )


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_ingest(location: str, run: FlowRun) -> IngestPlan:
    """List an archive, hold it against the catalog, and count what is as it was.

    Raises:
        ArchiveNotFoundError, ArchiveUnreadableError, ArchiveEmptyError: nothing can be ingested.
    """
    listing, snapshot = read_listing(location, run.settings), run.catalog.snapshot()
    forming, refusing = forming_digest(run.settings), refusing_digest(run.settings)
    clocking = clocking_digest(run.settings)
    with listing.compare(snapshot, refusing) as found:
        counts = found.counts(forming)
    run.ledger.inputs = len(listing)
    run.ledger.failed = listing.unnamed
    run.ledger.cached = counts["present"] + counts["duplicate"]
    run.ledger.quarantined = counts["quarantined"]
    seen = rows(snapshot, "latest_sighting", {"archive_uri": listing.uri})
    seen_ns = seen[0]["seen_ns"] if seen else 0
    return IngestPlan(listing, snapshot, forming, clocking, refusing, counts, seen_ns)


def forming_digest(settings: Settings) -> str:
    """Name what sessions and clips are formed by, their clocks included."""
    parts = [part for module in FORMERS for part in source_parts(module)]
    how = (settings.clip_max_ns, settings.clip_min_ns, int(settings.group_by_time))
    # Fetched later, the networks may tell a clock that could not be told before.
    clocks = (clocking_digest(settings), int(is_ready(settings)))
    return ids.digest("forming", *clocks, *how, *parts)


def refusing_digest(settings: Settings) -> str:
    """Name what files are refused by: limits and the decoder."""
    limits = (
        settings.max_file_bytes,
        str(settings.max_ratio),
        settings.max_pixels,
        settings.max_frames,
        settings.max_seconds,
    )
    return ids.digest("refusing", *limits, str(settings.scan_timeout_s), decoder_build())
