"""The worker of reindex: reads the features of clips, encodes their windows, writes Parquet.

Runs inside a Ray actor and does not know it; reads the catalog, writes files of the table `codes`
that count only when the driver commits them. Returns file facts and refusals, never tensors.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from catalog.datafile import write_file
from catalog.ids import code_id
from catalog.schemas.codes import CODES
from infra.errors import StillhouseError
from tasks.codes.encoding import encode_windows
from tasks.codes.model import load_encoder
from tasks.windows.clip_windows import ClipWindows, runs_of

if TYPE_CHECKING:
    from catalog.datafile import WrittenFile
    from catalog.snapshot import Snapshot
    from infra.settings import Settings
    from tasks.codes.coding import CodeWork, Coding
    from tasks.codes.encoding import WindowCode

# Clips, times their cameras, that are read together, at about 2 MB each: neighbours share row
# groups, which are read as wholes.
READ_CAMERA_CLIPS = 64


@dataclass(slots=True)
class EncodedClips:
    """What became of one batch: files to commit, rows for quarantine, CPU seconds by stage."""

    files: list[WrittenFile] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    clips: int = 0
    codes: int = 0
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    def spent(self, stage: str, since: float) -> float:
        """Add the CPU time since `since` to a stage and return the time now."""
        now = time.thread_time()
        self.cpu_seconds[stage] = self.cpu_seconds.get(stage, 0.0) + now - since
        return now

    def add(self, other: EncodedClips) -> None:
        """Add the counts of another batch."""
        self.clips += other.clips
        self.codes += other.codes
        for stage, seconds in other.cpu_seconds.items():
            self.cpu_seconds[stage] = self.cpu_seconds.get(stage, 0.0) + seconds


class ClipEncoder:
    """Holds the loaded network and where features lie; one thread, as its codes are bit-equal."""

    def __init__(
        self,
        settings: Settings,
        flow_run_id: str,
        snapshot: Snapshot,
        coding: Coding,
        model_folder: str,
    ) -> None:
        """Load the network once.

        Raises:
            ModelInvalidError: it cannot be read.
        """
        torch.set_num_threads(1)
        self._settings = settings
        self._flow_run_id = flow_run_id
        self._coding = coding
        self._version = coding.version
        self._step_ns = settings.grid_step_ns
        self._windows = ClipWindows(snapshot, coding.spec, coding.views, self._step_ns)
        self._net = load_encoder(Path(model_folder), coding.model.uri)

    def run(self, batch: list[CodeWork]) -> EncodedClips:
        """Encode clips in order of session and time; one that cannot be is refused alone."""
        found = EncodedClips()
        rows: list[dict[str, Any]] = []
        work = {one.clip.clip_id: one for one in batch}
        for run in runs_of([one.clip for one in batch], READ_CAMERA_CLIPS):
            since = time.thread_time()
            stored = self._windows.rows(run)
            found.spent("read", since)
            for clip in run:
                rows += self._clip(work[clip.clip_id], stored.pop(clip.clip_id), found)
        since = time.thread_time()
        if rows:
            found.files.append(write_file(CODES, rows, self._settings.catalog))
        found.spent("write", since)
        return found

    def _clip(
        self, work: CodeWork, stored: list[dict[str, Any]], found: EncodedClips
    ) -> list[dict[str, Any]]:
        """Return the rows of one clip, none if it is refused."""
        try:
            codes = self._encode(work, stored, found)
        except (OSError, MemoryError, StillhouseError):
            raise
        except Exception as error:  # noqa: BLE001  one clip's fault becomes a row
            why = ("encoding_failed", f"{type(error).__name__}: {error}")
        else:
            if any(code.seen for code in codes):
                found.clips += 1
                found.codes += len(codes)
                return [self._row(work, k, code) for k, code in enumerate(codes)]
            why = ("nothing_seen", "no camera of this clip has a step of any view")
        row = work.refusal(self._version, why, self._flow_run_id, time.time_ns())
        found.quarantine.append(row)
        return []

    def _encode(
        self, work: CodeWork, stored: list[dict[str, Any]], found: EncodedClips
    ) -> list[WindowCode]:
        clip, since = work.clip, time.thread_time()
        said = self._windows.said(clip, stored)
        # End to end; what the last one has past the clip's end is masked.
        firsts = range(0, clip.steps, self._coding.steps)
        windows = [self._windows.window(clip, first, said) for first in firsts]
        since = found.spent("read", since)
        codes = encode_windows(self._net, windows, self._coding.precision)
        found.spent("encode", since)
        return codes

    def _row(self, work: CodeWork, number: int, code: WindowCode) -> dict[str, Any]:
        clip, model, steps = work.clip, self._coding.model, self._coding.steps
        first = number * steps
        start_ns = clip.start_ns + first * self._step_ns
        return {
            "code_id": code_id(clip.clip_id, first, self._version, work.given),
            "clip_id": clip.clip_id,
            "session_id": clip.session_id,
            "model": model.name,
            "version": self._version,
            "given": work.given,
            "first_step": first,
            "steps": min(steps, clip.steps - first),
            "seen": code.seen,
            "start_ns": start_ns,
            "end_ns": min(work.end_ns, start_ns + steps * self._step_ns),
            "cameras": list(clip.cameras[: self._coding.spec.cameras]),
            "embedding": code.embedding.tolist(),
            "data": code.data,
            "bits": code.bits,
            "model_version": model.version,
            "model_digest": model.digest,
            "flow_run_id": self._flow_run_id,
        }
