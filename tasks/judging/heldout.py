"""Judging models on the held-out sessions of the catalog as it is now.

Reads the catalog, the archive and the registry; writes nothing. A result is compared with another
only where both were measured on the same held-out clips by the same protocol: where the recorded
one was not, it is measured again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from catalog import ids
from catalog.query import rows
from infra import registry
from infra.errors import CatalogEmptyError
from infra.ray_cluster import connect, stream
from tasks.recordings.sources import ClipSource, clip_source
from tasks.sessions.splits import HELDOUT, TRAIN, require_split
from tasks.training.recipe import EVALUATION_FILE
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from catalog.snapshot import Snapshot
    from infra.registry import ModelVersion
    from infra.settings import Settings
    from tasks.runs.record import FlowRun
    from tasks.superresolution.evaluate import HeldOut

Evaluation = TypeVar("Evaluation")
Work = TypeVar("Work")

# A clip of one camera with the width and height of its recording as displayed.
Sized = tuple[ClipSource, int, int]

# Frames a clip and clips a session that are judged: the first clip of four cameras, or four
# clips of one; more costs as long as training does.
JUDGED_FRAMES, JUDGED_CLIPS = 24, 4


def clips_by_split(run: FlowRun) -> tuple[tuple[Sized, ...], tuple[Sized, ...]]:
    """Return the current clips to train on and those held out, in the catalog's order.

    Raises:
        CatalogEmptyError: nothing has been ingested.
        SplitImpossibleError: there is nothing on one of the sides.
    """
    return sides_of(run.catalog.snapshot())


def sides_of(snapshot: Snapshot) -> tuple[tuple[Sized, ...], tuple[Sized, ...]]:
    """Do the same for one snapshot of the catalog.

    Raises:
        CatalogEmptyError, SplitImpossibleError: as above.
    """
    found = rows(snapshot, "clip_sources", {})
    if not found:
        raise CatalogEmptyError("The catalog has no clips yet.", command="stillhouse ingest FOLDER")
    require_split([row["split"] for row in found])
    sides: dict[str, list[Sized]] = {TRAIN: [], HELDOUT: []}
    for row in found:
        sides[row["split"]].append((clip_source(row), row["width"], row["height"]))
    return tuple(sides[TRAIN]), tuple(sides[HELDOUT])


def heldout_digest(heldout: tuple[Sized, ...]) -> str:
    """Name the held-out clips and the protocol: results compare only where this is equal."""
    clips = sorted(f"{clip.clip_id}/{clip.camera_id}" for clip, _, _ in heldout)
    protocol = (
        *source_parts("tasks.superresolution.evaluate"),
        *source_parts("tasks.windows.pixel_windows"),
    )
    return ids.digest("heldout", JUDGED_FRAMES, JUDGED_CLIPS, *clips, *protocol)


def judged_clips(heldout: tuple[Sized, ...]) -> list[HeldOut]:
    """Read the clips that are judged, up to `JUDGED_CLIPS` a session."""
    from tasks.windows.pixel_windows import heldout_clips

    return list(heldout_clips(heldout, JUDGED_FRAMES, JUDGED_CLIPS))


def recorded_evaluation(settings: Settings, version: ModelVersion) -> str:
    """Return what was measured when a version was made, as JSON."""
    return json.dumps(registry.read_artifact_json(settings, version.run_id, EVALUATION_FILE))


def judge_versions(
    versions: Sequence[ModelVersion],
    run: FlowRun,
    judged: str,
    read: Callable[[str], Evaluation],
    judge: Callable[[Work], Iterator[str]],
    work: Callable[[ModelVersion, Path], Work],
) -> list[Evaluation]:
    """Return the evaluation of each version on the held-out material that `judged` names.

    What is on record for that is read. For the others a Ray task calls `judge` with the `work` of a
    version and the folder of its files; it yields an evaluation as JSON.
    """

    def evaluation(version: ModelVersion) -> Evaluation:
        if version.tags.get("heldout_digest") == judged:
            return read(recorded_evaluation(run.settings, version))
        asked = work(version, registry.download(run.settings, version))
        connect(run.settings)
        (text,) = stream(judge, asked, run.settings)
        return read(text)

    return [evaluation(version) for version in versions]


def clip_counts(train: Sequence[ClipSource], heldout: Sequence[ClipSource]) -> dict[str, int]:
    """Return how many clips and sessions there are on either side, as parameters of a run."""
    return {
        "train_clips": len(train),
        "heldout_clips": len(heldout),
        "train_sessions": len({clip.session_id for clip in train}),
        "heldout_sessions": len({clip.session_id for clip in heldout}),
    }
