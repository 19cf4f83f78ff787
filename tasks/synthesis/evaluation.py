"""What came of judging synthesis: scores beside their baselines, no-harm rates, tables, JSON.

Reads and writes nothing and needs no torch. An evaluation cannot be built of pieces that lack a
baseline of their task.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from infra.errors import MissingBaselineError
from tasks.judging.bootstrap import SESSIONS_FOR_A_CLAIM

if TYPE_CHECKING:
    from collections.abc import Iterable

MODEL, UNGUARDED, ORACLE = "model", "unguarded", "oracle"
# Of each task what its scores must stand beside; the first is what the model may not harm.
BASELINES: dict[str, tuple[str, ...]] = {
    "fuse": (ORACLE, "best", "mean", "median", "robust"),
    "rate": ("warp", "repeat", "average", "minterpolate"),
    "view": ("median", "nearest", "blend", "homography", "pca"),
}
MEASURES = ("psnr_y", "ssim_y", "fg_psnr")
# What counts as harm, in dB of luma.
HARM_DB = 0.05


@dataclass(frozen=True)
class SynthesisScore:
    """One method on one cell of one clip of one camera: means over the frames that are judged.

    `trained` says that training saw damage of the cell's kind, or that session's rig. `fused` is
    the share of frames that the guard let through. `fg_psnr` is None where nothing moves.
    """

    session_id: str
    session_name: str
    clip_id: str
    camera_id: str
    task: str
    cell: str
    trained: bool
    method: str
    frames: int
    psnr_y: float  # dB, BT.601 luma, 8 bits
    ssim_y: float
    fg_psnr: float | None
    fused: float | None = None

    @property
    def piece(self) -> tuple[str, str, str, str]:
        """What was judged."""
        return (self.task, self.cell, self.clip_id, self.camera_id)


@dataclass(frozen=True)
class SynthesisEvaluation:
    """Scores of a model and of its baselines on the same frames, one row each.

    Raises:
        MissingBaselineError: a piece lacks a method, or there is none.
    """

    precision: str
    threads: int
    scores: tuple[SynthesisScore, ...]

    def __post_init__(self) -> None:
        """Refuse scores without their baselines."""
        found: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
        for score in self.scores:
            found[score.piece].add(score.method)
        if not found:
            raise MissingBaselineError("Nothing was judged, so no baseline was.")
        for piece, methods in found.items():
            if missing := {MODEL, *BASELINES[piece[0]]} - methods:
                raise MissingBaselineError(
                    f"{'/'.join(piece)} has no score for {', '.join(sorted(missing))}."
                )

    def cells(self, task: str, *, trained: bool | None = None) -> tuple[str, ...]:
        """Return the cells of a task that were judged, or those of one kind."""
        return tuple(
            dict.fromkeys(
                s.cell
                for s in self.scores
                if s.task == task and (trained is None or s.trained == trained)
            )
        )

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that were judged."""
        return tuple(task for task in BASELINES if self.cells(task))

    def methods(self, task: str) -> tuple[str, ...]:
        """Return what was judged of a task: the model, the baselines, then whatever else."""
        found = dict.fromkeys(s.method for s in self.scores if s.task == task)
        return tuple(dict.fromkeys((MODEL, *BASELINES[task], *found)))

    def mean(
        self, task: str, cells: Iterable[str], method: str, measure: str, session: str | None = None
    ) -> float:
        """Mean over sessions of their means over cells of those over clips; nan of nothing."""
        wanted = set(cells)
        means: dict[tuple[str, str], list[float]] = defaultdict(list)
        for s in self.scores:
            value = getattr(s, measure)
            if (s.task, s.method) == (task, method) and s.cell in wanted and value is not None:
                means[s.session_id, s.cell].append(value)
        by_session: dict[str, list[float]] = defaultdict(list)
        for (found, _), values in means.items():
            if session in (None, found):
                by_session[found].append(fmean(values))
        return fmean(map(fmean, by_session.values())) if by_session else math.nan

    def gain(self, task: str, baseline: str, cells: Iterable[str], method: str = MODEL) -> float:
        """Y-PSNR of a method minus a baseline's, in dB, mean over sessions."""
        cells = tuple(cells)
        ours, theirs = (self.mean(task, cells, name, "psnr_y") for name in (method, baseline))
        return ours - theirs

    def no_harm_rate(
        self, task: str, cells: Iterable[str], method: str = MODEL, session: str | None = None
    ) -> float:
        """Share of pieces that lose at most .05 dB to the task's first baseline; nan of none."""
        wanted, floor = set(cells), BASELINES[task][0]
        psnr: dict[str, dict[tuple[str, str, str, str], float]] = {method: {}, floor: {}}
        for s in self.scores:
            meant = s.task == task and s.cell in wanted and session in (None, s.session_id)
            if meant and s.method in psnr:
                psnr[s.method][s.piece] = s.psnr_y
        kept = [psnr[floor][k] - ours <= HARM_DB for k, ours in psnr[method].items()]
        return fmean(map(float, kept)) if kept else math.nan

    def table(self) -> list[dict[str, str | float | int]]:
        """One row a session, task, cell and method; the last block is the mean over sessions."""
        names = {s.session_id: s.session_name for s in self.scores}
        rows: list[dict[str, str | float | int]] = []
        for session in (*names, ""):
            for task in self.tasks:
                for cell in self.cells(task):
                    for method in self.methods(task):
                        values = {
                            m: self.mean(task, (cell,), method, m, session or None)
                            for m in MEASURES
                        }
                        if math.isnan(values["psnr_y"]):
                            continue
                        kept = self.no_harm_rate(task, (cell,), method, session or None)
                        rows.append(
                            {
                                "session": names.get(session, "mean over sessions"),
                                "task": task,
                                "cell": cell,
                                "method": method,
                                **{k: _shown(v) for k, v in values.items()},
                                "no_harm_rate": _shown(kept),
                            }
                        )
        return rows

    def model_metrics(self) -> dict[str, float]:
        """Flat names: `heldout.fuse.unseen.psnr_y`, gains over each baseline, no-harm rates."""
        found: dict[str, float] = {}
        for task in self.tasks:
            for kind, cells in self._kinds(task):
                prefix = f"heldout.{task}.{kind}"
                for measure in MEASURES:
                    found[f"{prefix}.{measure}"] = self.mean(task, cells, MODEL, measure)
                for baseline in BASELINES[task]:
                    found[f"{prefix}.gain_over_{baseline}_db"] = self.gain(task, baseline, cells)
                found[f"{prefix}.no_harm_rate"] = self.no_harm_rate(task, cells)
                found[f"{prefix}.fused_share"] = self.mean(task, cells, MODEL, "fused")
        found["heldout.sessions"] = float(len({s.session_id for s in self.scores}))
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def baseline_metrics(self) -> dict[str, float]:
        """Flat names of the baselines on the same frames."""
        found = {
            f"heldout.{task}.{kind}.{baseline}.{measure}": self.mean(task, cells, baseline, measure)
            for task in self.tasks
            for kind, cells in self._kinds(task)
            for baseline in BASELINES[task]
            for measure in MEASURES
        }
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def metrics(self) -> dict[str, float]:
        """Return both, for the model registry."""
        return self.model_metrics() | self.baseline_metrics()

    def remarks(self) -> list[str]:
        """Sentences: where the model loses to something plain, and what may not be concluded."""
        said = []
        for task in self.tasks:
            cells = self.cells(task)
            measure = "fg_psnr" if task == "view" else "psnr_y"
            plain = {b: self.mean(task, cells, b, measure) for b in BASELINES[task] if b != ORACLE}
            best = max(
                plain, key=lambda name: -math.inf if math.isnan(plain[name]) else plain[name]
            )
            gain = self.mean(task, cells, MODEL, measure) - plain[best]
            word = "beats" if gain > 0 else "does not beat"
            said.append(
                f"{task}: the network {word} the best of the plain means, {best}: {gain:+.2f} dB"
                f"{' of foreground' if measure == 'fg_psnr' else ''}."
            )
        sessions = len({s.session_id for s in self.scores})
        if sessions < SESSIONS_FOR_A_CLAIM:
            said.append(
                f"Held-out sessions: {sessions}, fewer than {SESSIONS_FOR_A_CLAIM}; "
                "no claim of significance is made."
            )
        return said

    def _kinds(self, task: str) -> list[tuple[str, tuple[str, ...]]]:
        kinds = {"seen": self.cells(task, trained=True), "unseen": self.cells(task, trained=False)}
        return [(kind, cells) for kind, cells in kinds.items() if cells]

    def to_json(self) -> str:
        """Everything needed to build it again; metrics and remarks are there for readers."""
        return json.dumps(asdict(self) | {"metrics": self.metrics(), "remarks": self.remarks()})

    @classmethod
    def from_json(cls, text: str) -> SynthesisEvaluation:
        """The inverse of `to_json`; derived figures are derived again.

        Raises:
            MissingBaselineError: if baseline rows were removed.
        """
        data: dict[str, Any] = json.loads(text)
        scores = tuple(SynthesisScore(**score) for score in data["scores"])
        return cls(data["precision"], data["threads"], scores)


def _shown(value: float) -> float | str:
    return "" if math.isnan(value) else round(value, 4)
