"""The worker of refine: reads codes and thumbnails of clips, refines the codes, writes Parquet.

Runs inside a Ray actor and does not know it; reads the catalog, writes files of the table `codes`
that count only when the driver commits them. Returns file facts, refusals and energies, never
tensors.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from catalog.datafile import write_file
from catalog.schemas.codes import CODES
from infra.errors import StillhouseError
from models.code_energy import CodeEnergy
from models.precision import autocast
from models.refinement import refine
from tasks.codes.model import load_distiller
from tasks.codes.refining import STAGE, stored_codes
from tasks.codes.targets import symbols_of, target_of
from tasks.windows.clip_windows import ClipWindows

if TYPE_CHECKING:
    from catalog.datafile import WrittenFile
    from catalog.snapshot import Snapshot
    from infra.settings import Settings
    from models.refinement import Refined
    from tasks.codes.refining import RefineWork, Refining

# Curves of one batch that are kept for the picture.
CURVES = 2


@dataclass(slots=True)
class RefinedClips:
    """What became of one batch: files to commit, rows for quarantine, sums over its windows."""

    files: list[WrittenFile] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    clips: int = 0
    codes: int = 0
    refined: int = 0  # windows that have another code than before
    energy_before: float = 0.0
    energy_after: float = 0.0
    bytes_before: int = 0
    bytes_after: int = 0
    evaluations: int = 0
    cpu_seconds: float = 0.0
    curves: list[tuple[str, list[tuple[int, float]]]] = field(default_factory=list)

    def add(self, other: RefinedClips) -> None:
        """Add the sums of another batch, and its curves."""
        for name in ("clips", "codes", "refined", "evaluations", "cpu_seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("energy_before", "energy_after", "bytes_before", "bytes_after"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.curves += other.curves


class ClipRefiner:
    """Holds the loaded network and where thumbnails lie; one thread, as results are to repeat."""

    def __init__(
        self,
        settings: Settings,
        flow_run_id: str,
        snapshot: Snapshot,
        refining: Refining,
        model_folder: str,
    ) -> None:
        """Load the network once.

        Raises:
            ModelInvalidError: it cannot be read.
        """
        torch.set_num_threads(1)
        self._settings = settings
        self._flow_run_id = flow_run_id
        self._snapshot = snapshot
        self._refining = refining
        self._windows = ClipWindows(snapshot, refining.spec, refining.views, settings.grid_step_ns)
        self._net = load_distiller(Path(model_folder), refining.model.uri)

    def run(self, batch: list[RefineWork]) -> RefinedClips:
        """Refine clips in order of session and time; one that cannot be is refused alone."""
        found = RefinedClips()
        since = time.thread_time()
        stored = self._stored(batch)
        pictures = self._windows.rows([one.clip for one in batch])
        made: list[dict[str, Any]] = []
        for work in batch:
            try:
                refined = self._refined(work, stored[work.clip.clip_id], pictures)
            except (OSError, MemoryError, StillhouseError):
                raise
            except Exception as error:  # noqa: BLE001  one clip's fault becomes a row
                why = ("refining_failed", f"{type(error).__name__}: {error}")
                found.quarantine.append(
                    refusal(work, self._refining.version, why, self._flow_run_id)
                )
            else:
                made += self._rows(stored[work.clip.clip_id], refined)
                _count(found, work, refined)
        if made:
            found.files.append(write_file(CODES, made, self._settings.catalog))
        found.cpu_seconds = time.thread_time() - since
        return found

    def _stored(self, batch: list[RefineWork]) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of the base of each clip, in order of time."""
        found: dict[str, list[dict[str, Any]]] = {one.clip.clip_id: [] for one in batch}
        clips = [
            {"clip_id": one.clip.clip_id, "session_id": one.clip.session_id, "given": one.given}
            for one in batch
        ]
        for row in stored_codes(self._snapshot, self._refining, clips):
            found[row["clip_id"]].append(row)
        return found

    def _refined(
        self, work: RefineWork, stored: list[dict[str, Any]], pictures: dict[str, Any]
    ) -> Refined:
        clip, how = work.clip, self._refining
        said = self._windows.said(clip, pictures[clip.clip_id])
        windows = [self._windows.window(clip, row["first_step"], said) for row in stored]
        with autocast(how.precision):
            problem = CodeEnergy(
                self._net,
                symbols_of(self._net, [row["data"] for row in stored]),
                target_of(windows, self._net.config.side),
            )
            # Each clip has its own chance, whichever worker it comes to.
            seed = how.seed + int(clip.clip_id[:12], 16)
            return refine(problem, how.method, how.evaluations, seed)

    def _rows(self, stored: list[dict[str, Any]], refined: Refined) -> list[dict[str, Any]]:
        """Return the rows as they were, embedding included, but for the code and its version."""
        return [
            self._refining.row(row, self._flow_run_id)
            | {"data": refined.after.data[k], "bits": float(refined.bits[k])}
            for k, row in enumerate(stored)
        ]


def _count(found: RefinedClips, work: RefineWork, refined: Refined) -> None:
    before, after = refined.before, refined.after
    found.clips += 1
    found.codes += len(refined.states)
    found.refined += sum(a != b for a, b in zip(before.data, after.data, strict=True))
    found.energy_before += float(before.energy.sum())
    found.energy_after += float(after.energy.sum())
    found.bytes_before += int(before.size.sum())
    found.bytes_after += int(after.size.sum())
    found.evaluations += refined.evaluations
    if len(found.curves) < CURVES and refined.curve:
        found.curves.append((work.clip.clip_id, refined.curve))


def refusal(
    work: RefineWork, version: str, why: tuple[str, str], flow_run_id: str
) -> dict[str, Any]:
    """Return the quarantine row that says why this clip has no code of a version."""
    return {
        "item_id": work.clip.clip_id,
        "kind": "clip",
        "stage": STAGE,
        "reason": why[0],
        "detail": why[1],
        "version": version,
        "start_ns": work.clip.start_ns,
        "end_ns": work.end_ns,
        "frames": 0,
        "flow_run_id": flow_run_id,
        "seen_ns": time.time_ns(),
    }
