"""What the distiller learns from and is judged on: the sessions of the catalog as it is now.

Reads the catalog and the registry; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from catalog import ids
from catalog.query import rows
from infra.errors import CatalogEmptyError, NothingToLearnError
from models.distiller_config import PRESETS as NETWORKS
from tasks.sessions.splits import HELDOUT, TRAIN, require_split
from tasks.views.current import view_versions
from tasks.views.version import source_parts
from tasks.windows.reader import WindowSpec
from tasks.windows.sets import WindowSource, judged_windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.distiller.presets import DistillerPreset
    from tasks.runs.record import FlowRun
    from tasks.windows.sets import Window

# Windows of a session that baselines are fitted to, and that are judged: more costs as long as
# training does, in sessions of four cameras.
FITTED, JUDGED = 32, 12
# Windows that are encoded again, in another batch and in another process: five times each.
TRIED = 6


class WindowShape(Protocol):
    """Any preset of a model of windows: how long they are, of how many cameras at most."""

    @property
    def window_steps(self) -> int:
        """Steps of the session grid."""

    @property
    def cameras(self) -> int:
        """Cameras of a window at most."""


@dataclass(frozen=True, slots=True)
class DistillerMaterial:
    """Windows on either side of the split; `features` counts those there are, by view.

    `clips` are those of training sessions, `judged` those held out, each by its id.
    """

    source: WindowSource
    features: Mapping[str, int]
    clips: tuple[str, ...]
    judged: tuple[str, ...]
    train_sessions: tuple[str, ...]
    heldout_sessions: tuple[str, ...]

    def heldout_digest(self, preset: DistillerPreset) -> str:
        """Name the held-out windows and the protocol: results compare only where this is equal.

        Windows and the size of pictures are those of a preset.
        """
        shape = (preset.window_steps, preset.cameras, judged_side(preset))
        protocol = source_parts("tasks.distiller.evaluate")
        return ids.digest(
            "heldout-distiller",
            FITTED,
            JUDGED,
            shape,
            self.read,
            *self.judged,
            *self.clips,
            *protocol,
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many clips and sessions stand on either side, by the names they are logged under."""
        return {
            "train_clips": len(self.clips),
            "heldout_clips": len(self.judged),
            "train_sessions": len(self.train_sessions),
            "heldout_sessions": len(self.heldout_sessions),
        }

    @property
    def read(self) -> str:
        """Which features windows are read from: versions, and how many there are of each view."""
        found = {view: (self.source.versions[view], n) for view, n in self.features.items()}
        return repr(sorted(found.items()))


def judged_side(preset: DistillerPreset) -> int:
    """Return the side in px at which pictures are judged for a preset: that of its network."""
    return NETWORKS[preset.network].side


def distiller_material(run: FlowRun) -> DistillerMaterial:
    """Return what can be learned from and judged on.

    Raises:
        CatalogEmptyError: nothing has been ingested.
        SplitImpossibleError: no unrelated session to hold out, or to learn from.
        NothingToLearnError: no feature has been computed.
    """
    snapshot = run.catalog.snapshot()
    clips = rows(snapshot, "clip_sources", {})
    if not clips:
        raise CatalogEmptyError("The catalog has no clips yet.", command="stillhouse ingest FOLDER")
    require_split([row["split"] for row in clips])
    versions = view_versions(WindowSpec().views, run.settings)
    asked = {"views": list(versions), "versions": list(versions.values())}
    counted = {row["view"]: row["features"] for row in rows(snapshot, "count_features", asked)}
    if not counted.get("thumbnail"):
        raise NothingToLearnError(
            "No clip has the features that windows are made of.", command="stillhouse extract"
        )
    names = {row["session_id"]: row["session_name"] for row in clips}
    sides = {split: [row for row in clips if row["split"] == split] for split in (TRAIN, HELDOUT)}
    sessions = {
        split: tuple(sorted({row["session_id"] for row in found})) for split, found in sides.items()
    }
    return DistillerMaterial(
        source=WindowSource(snapshot, versions, run.settings.grid_step_ns, names),
        features=counted,
        clips=_ids(sides[TRAIN]),
        judged=_ids(sides[HELDOUT]),
        train_sessions=sessions[TRAIN],
        heldout_sessions=sessions[HELDOUT],
    )


def _ids(found: list[dict[str, object]]) -> tuple[str, ...]:
    return tuple(sorted(f"{row['clip_id']}/{row['camera_id']}" for row in found))


@dataclass(frozen=True, slots=True)
class JudgedSets:
    """Windows to fit baselines to, of held-out sessions, and of a later time of training rigs."""

    fit: list[Window]
    heldout: list[Window]
    later: list[Window]


def judged_sets(source: WindowSource, preset: WindowShape) -> JudgedSets:
    """Read the windows that a model of this preset is judged on; they do not overlap."""
    steps = preset.window_steps
    spec = WindowSpec(steps=steps, stride=steps, cameras=preset.cameras)
    return JudgedSets(
        fit=judged_windows(source, spec, TRAIN, per_session=FITTED, part="earlier"),
        heldout=judged_windows(source, spec, HELDOUT, per_session=JUDGED),
        later=judged_windows(source, spec, TRAIN, per_session=JUDGED, part="later"),
    )


def trial_windows(source: WindowSource, preset: WindowShape) -> list[Window]:
    """Return a window of each of some held-out sessions, to be encoded again and again."""
    steps = preset.window_steps
    spec = WindowSpec(steps=steps, stride=steps, cameras=preset.cameras)
    return judged_windows(source, spec, HELDOUT, per_session=1)[:TRIED]
