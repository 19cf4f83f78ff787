"""Judge a super-resolution model on sessions it never saw, beside bicubic and Lanczos.

Reads frames in memory and a model; returns an `Evaluation`, writes nothing. An evaluation cannot
be built without its baseline rows: a gain is a difference, and both sides belong in the table.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from infra.errors import MissingBaselineError
from models.metrics import change_error, crop_border, luma, psnr, quantise, ssim
from tasks.baselines import SUPER_RESOLUTION
from tasks.degradations import DEGRADATIONS
from tasks.precision import cpu_precision

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt
    from torch import Tensor

    from models.superresolution import SuperResolution

MODEL = "model"
HEADLINE = "bi"
REFERENCE = "bicubic"
MEASURES = ("psnr_y", "ssim_y", "change_error")
# A gain this large on real clips has more often been a leak than a discovery.
RED_FLAG_DB = 3.0
# Fewer held-out sessions than this support a table, not a claim of significance.
SESSIONS_FOR_A_CLAIM = 6
# A clip counts as harmed if it loses more than this against bicubic.
HARM_DB = 0.05


@dataclass(frozen=True)
class HeldOut:
    """A clip of one camera from a held-out session; frames (T, H, W, 3) rgb uint8, the truth."""

    session_id: str
    session_name: str
    clip_id: str
    camera_id: str
    frames: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Refuse what cannot be scored.

        Raises:
            ValueError: naming the shape or type found.
        """
        shape = self.frames.shape
        if len(shape) != 4 or shape[-1] != 3 or shape[0] < 2 or self.frames.dtype != np.uint8:
            raise ValueError(f"needs (T >= 2, H, W, 3) uint8, got {shape} {self.frames.dtype}")


@dataclass(frozen=True)
class Score:
    """One method on one degradation of one clip: means over its frames."""

    session_id: str
    session_name: str
    clip_id: str
    camera_id: str
    degradation: str
    method: str  # "model" or a baseline's name
    frames: int
    psnr_y: float  # dB, BT.601 luma, 8 bits, border of `scale` px cut
    ssim_y: float
    change_error: float  # levels of 255; lower is steadier
    ms_per_frame: float


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model and of its baselines on the same frames, one row each.

    Raises:
        MissingBaselineError: if a clip's degradation lacks a method, or "bi" is missing.
    """

    scale: int
    precision: str
    threads: int
    scores: tuple[Score, ...]

    def __post_init__(self) -> None:
        """Refuse scores without their baselines."""
        methods = defaultdict(set)
        for score in self.scores:
            methods[score.clip_id, score.camera_id, score.degradation].add(score.method)
        wanted = {MODEL, *SUPER_RESOLUTION}
        for (clip, camera, degradation), found in methods.items():
            if missing := wanted - found:
                raise MissingBaselineError(
                    f"clip {clip} of {camera} under {degradation!r} has no score for "
                    f"{', '.join(sorted(missing))}"
                )
        clips = {(s.clip_id, s.camera_id) for s in self.scores}
        headline = {(s.clip_id, s.camera_id) for s in self.scores if s.degradation == HEADLINE}
        if not clips or clips != headline:
            raise MissingBaselineError(
                f"{len(clips)} clips were scored, {len(headline)} of them under {HEADLINE!r}"
            )

    @property
    def degradations(self) -> tuple[str, ...]:
        """Those scored, in the order of their first row."""
        return tuple(dict.fromkeys(s.degradation for s in self.scores))

    @property
    def sessions(self) -> tuple[str, ...]:
        """Session ids, in the order of their first row."""
        return tuple(dict.fromkeys(s.session_id for s in self.scores))

    def session_mean(self, session_id: str, degradation: str, method: str, measure: str) -> float:
        """Mean over the clips of one session."""
        values = [
            float(getattr(s, measure))
            for s in self.scores
            if (s.session_id, s.degradation, s.method) == (session_id, degradation, method)
        ]
        return float(np.mean(values))

    def mean(self, degradation: str, method: str, measure: str) -> float:
        """Mean over sessions of their means: a long session weighs no more than a short one."""
        return float(
            np.mean([self.session_mean(s, degradation, method, measure) for s in self.sessions])
        )

    def gain(self, degradation: str = HEADLINE, over: str = REFERENCE) -> float:
        """Y-PSNR of the model minus that of a baseline, in dB."""
        return self.mean(degradation, MODEL, "psnr_y") - self.mean(degradation, over, "psnr_y")

    def no_harm_rate(self, degradation: str = HEADLINE) -> float:
        """Share of clips that lose at most .05 dB against bicubic."""
        psnr_of = {
            (s.clip_id, s.camera_id, s.method): s.psnr_y
            for s in self.scores
            if s.degradation == degradation
        }
        losses = [
            psnr_of[clip, camera, REFERENCE] - value
            for (clip, camera, method), value in psnr_of.items()
            if method == MODEL
        ]
        return float(np.mean([loss <= HARM_DB for loss in losses]))

    def table(self) -> list[dict[str, str | float | int]]:
        """One row a session, degradation and method, and one a mean over sessions."""
        names = {s.session_id: s.session_name for s in self.scores}
        rows: list[dict[str, str | float | int]] = []
        for session in (*self.sessions, ""):
            for degradation in self.degradations:
                for method in (MODEL, *SUPER_RESOLUTION):
                    clips = {
                        (s.clip_id, s.camera_id)
                        for s in self.scores
                        if s.session_id == session or not session
                    }
                    values = {
                        m: self.session_mean(session, degradation, method, m)
                        if session
                        else self.mean(degradation, method, m)
                        for m in MEASURES
                    }
                    rows.append(
                        {
                            "session": names.get(session, "mean of sessions"),
                            "session_id": session,
                            "degradation": degradation,
                            "method": method,
                            "clips": len(clips),
                            **values,
                        }
                    )
        return rows

    def metrics(self) -> dict[str, float]:
        """Flat names for MLflow: `heldout.bi.psnr_y`, `heldout.bi.bicubic.psnr_y`, gains, counts."""
        found: dict[str, float] = {}
        for degradation in self.degradations:
            prefix = f"heldout.{degradation}"
            for measure in MEASURES:
                found[f"{prefix}.{measure}"] = self.mean(degradation, MODEL, measure)
                for baseline in SUPER_RESOLUTION:
                    found[f"{prefix}.{baseline}.{measure}"] = self.mean(
                        degradation, baseline, measure
                    )
            for baseline in SUPER_RESOLUTION:
                found[f"{prefix}.gain_over_{baseline}_db"] = self.gain(degradation, baseline)
            found[f"{prefix}.no_harm_rate"] = self.no_harm_rate(degradation)
        found["heldout.ms_per_frame"] = self.mean(HEADLINE, MODEL, "ms_per_frame")
        found["heldout.sessions"] = float(len(self.sessions))
        found["heldout.clips"] = float(len({(s.clip_id, s.camera_id) for s in self.scores}))
        return found

    def remarks(self) -> list[str]:
        """Sentences a reader needs beside the numbers: what may not be concluded from them."""
        said = []
        if len(self.sessions) < SESSIONS_FOR_A_CLAIM:
            said.append(
                f"{len(self.sessions)} held-out sessions, fewer than {SESSIONS_FOR_A_CLAIM}: "
                "no claim of significance is made"
            )
        if (gain := self.gain()) > RED_FLAG_DB:
            said.append(
                f"the gain of {gain:.2f} dB exceeds {RED_FLAG_DB:.0f} dB: check the split for leaks"
            )
        return said

    def to_json(self) -> str:
        """Everything needed to build it again, and the remarks and metrics for readers."""
        return json.dumps(
            {**asdict(self), "metrics": self.metrics(), "remarks": self.remarks()}, indent=1
        )

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """The inverse of `to_json`; derived figures are derived again.

        Raises:
            MissingBaselineError: if baseline rows were removed.
        """
        data: dict[str, Any] = json.loads(text)
        scores = tuple(Score(**score) for score in data["scores"])
        return cls(data["scale"], data["precision"], data["threads"], scores)


def evaluate_superresolution(
    model: SuperResolution, clips: Iterable[HeldOut], *, scored_frames: int = 24
) -> Evaluation:
    """Score the model and every baseline on every degradation of every clip.

    All frames pass through the model, in order and in constant memory; `scored_frames` pairs of
    neighbours, evenly spread, are measured.

    Raises:
        MissingBaselineError: if there is no clip.
    """
    model.eval()
    scores: list[Score] = []
    for clip in clips:
        scores.extend(_score_clip(model, clip, scored_frames))
    return Evaluation(model.config.scale, cpu_precision(), torch.get_num_threads(), tuple(scores))
