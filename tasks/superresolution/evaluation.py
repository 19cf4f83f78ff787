"""What came of judging a model: scores beside their baselines, means, tables, JSON.

Reads and writes nothing and needs no torch. An evaluation cannot be built without its baseline
rows: a gain is a difference, and both sides belong in the table.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from infra.errors import MissingBaselineError

MODEL = "model"
BASELINES = ("bicubic", "lanczos")
HEADLINE = "bi"
REFERENCE = "bicubic"
MEASURES = ("psnr_y", "ssim_y", "change_error")
# A larger mean gain over bicubic has more often been a leak than a discovery.
RED_FLAG_DB = 3.0
# Fewer held-out sessions than this support a table, not a claim of significance.
SESSIONS_FOR_A_CLAIM = 6
# A clip counts as harmed if it loses more than this against bicubic.
HARM_DB = 0.05


@dataclass(frozen=True)
class Score:
    """One method on one degradation of one clip of one camera: means over its frames."""

    session_id: str
    session_name: str
    clip_id: str
    camera_id: str
    degradation: str  # "bi", "bd", "codec": see tasks/superresolution/degradations.py
    method: str  # "model" or a baseline's name
    frames: int
    psnr_y: float  # dB, BT.601 luma, 8 bits, border of `scale` px cut
    ssim_y: float
    change_error: float  # levels of 255, luma change from frame to frame; lower is steadier
    ms_per_frame: float

    @property
    def piece(self) -> tuple[str, str]:
        """What was scored: the clip, and the camera it was seen through."""
        return (self.clip_id, self.camera_id)


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model and of its baselines on the same frames, one row each.

    Raises:
        MissingBaselineError: if any clip lacks a method or the headline degradation.
    """

    scale: int
    precision: str
    threads: int
    scores: tuple[Score, ...]

    def __post_init__(self) -> None:
        """Refuse scores without their baselines."""
        methods = defaultdict(set)
        for score in self.scores:
            methods[score.piece, score.degradation].add(score.method)
        for (piece, degradation), found in methods.items():
            if missing := {MODEL, *BASELINES} - found:
                raise MissingBaselineError(
                    f"Clip {piece[0]} of camera {piece[1]} under {degradation!r} has no score for "
                    f"{', '.join(sorted(missing))}."
                )
        pieces = {score.piece for score in self.scores}
        headline = {score.piece for score in self.scores if score.degradation == HEADLINE}
        if not pieces or pieces != headline:
            raise MissingBaselineError(
                f"{len(pieces)} held-out clips were scored, {len(headline)} under {HEADLINE!r}."
            )

    @property
    def degradations(self) -> tuple[str, ...]:
        """Those scored, in the order of their first row."""
        return tuple(dict.fromkeys(score.degradation for score in self.scores))

    @property
    def sessions(self) -> tuple[str, ...]:
        """Session ids, in the order of their first row."""
        return tuple(dict.fromkeys(score.session_id for score in self.scores))

    @property
    def psnr_y(self) -> float:
        """The headline: Y-PSNR of the model in dB, degradation "bi", mean over sessions."""
        return self.mean(HEADLINE, MODEL, "psnr_y")

    def session_mean(self, session_id: str, degradation: str, method: str, measure: str) -> float:
        """Mean over the clips of one session."""
        key = (session_id, degradation, method)
        return fmean(
            getattr(score, measure)
            for score in self.scores
            if (score.session_id, score.degradation, score.method) == key
        )

    def mean(self, degradation: str, method: str, measure: str) -> float:
        """Mean over sessions of their means: a long session weighs no more than a short one."""
        return fmean(self.session_mean(s, degradation, method, measure) for s in self.sessions)

    def gain_over(self, baseline: str = REFERENCE, degradation: str = HEADLINE) -> float:
        """Y-PSNR of the model minus that of a baseline, in dB, mean over sessions."""
        return self.mean(degradation, MODEL, "psnr_y") - self.mean(degradation, baseline, "psnr_y")

    def no_harm_rate(self, degradation: str = HEADLINE) -> float:
        """Share of clips that lose at most .05 dB against bicubic."""
        psnr: dict[str, dict[tuple[str, str], float]] = {MODEL: {}, REFERENCE: {}}
        for score in self.scores:
            if score.degradation == degradation and score.method in psnr:
                psnr[score.method][score.piece] = score.psnr_y
        harmless = [
            psnr[REFERENCE][piece] - value <= HARM_DB for piece, value in psnr[MODEL].items()
        ]
        return fmean(map(float, harmless))

    def table(self) -> list[dict[str, str | float | int]]:
        """One row a session, degradation and method; the last block is the mean over sessions."""
        names = {score.session_id: score.session_name for score in self.scores}
        clips = defaultdict(set)
        for score in self.scores:
            clips[score.session_id].add(score.piece)
            clips[""].add(score.piece)
        rows: list[dict[str, str | float | int]] = []
        for session in (*self.sessions, ""):
            for degradation in self.degradations:
                for method in (MODEL, *BASELINES):
                    row: dict[str, str | float | int] = {
                        "session": names.get(session, "mean over sessions"),
                        "session_id": session,
                        "degradation": degradation,
                        "method": method,
                        "clips": len(clips[session]),
                    }
                    for measure in MEASURES:
                        value = (
                            self.session_mean(session, degradation, method, measure)
                            if session
                            else self.mean(degradation, method, measure)
                        )
                        row[measure] = round(value, 4)
                    rows.append(row)
        return rows

    def model_metrics(self) -> dict[str, float]:
        """Flat names of what concerns the model: `heldout.bi.psnr_y`, gains, counts, speed."""
        found: dict[str, float] = {}
        for degradation in self.degradations:
            prefix = f"heldout.{degradation}"
            for measure in MEASURES:
                found[f"{prefix}.{measure}"] = self.mean(degradation, MODEL, measure)
            for baseline in BASELINES:
                found[f"{prefix}.gain_over_{baseline}_db"] = self.gain_over(baseline, degradation)
            found[f"{prefix}.no_harm_rate"] = self.no_harm_rate(degradation)
        found["heldout.ms_per_frame"] = self.mean(HEADLINE, MODEL, "ms_per_frame")
        found["heldout.sessions"] = float(len(self.sessions))
        found["heldout.clips"] = float(len({score.piece for score in self.scores}))
        return found

    def baseline_metrics(self) -> dict[str, float]:
        """Flat names of the baselines on the same frames: `heldout.bi.bicubic.psnr_y`."""
        return {
            f"heldout.{degradation}.{baseline}.{measure}": self.mean(degradation, baseline, measure)
            for degradation in self.degradations
            for baseline in BASELINES
            for measure in MEASURES
        }

    def metrics(self) -> dict[str, float]:
        """Return both, for the model registry."""
        return self.model_metrics() | self.baseline_metrics()

    def remarks(self) -> list[str]:
        """Sentences a reader needs beside the numbers: what may not be concluded from them."""
        said = []
        if len(self.sessions) < SESSIONS_FOR_A_CLAIM:
            said.append(
                f"Held-out sessions: {len(self.sessions)}, fewer than {SESSIONS_FOR_A_CLAIM}; "
                "no claim of significance is made."
            )
        if (gain := self.gain_over()) > RED_FLAG_DB:
            said.append(
                f"The gain of {gain:.2f} dB over bicubic exceeds {RED_FLAG_DB:.0f} dB: check the "
                "split for related sessions before believing it."
            )
        return said

    def to_json(self) -> str:
        """Everything needed to build it again; metrics and remarks are there for readers."""
        return json.dumps(asdict(self) | {"metrics": self.metrics(), "remarks": self.remarks()})

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """The inverse of `to_json`; derived figures are derived again.

        Raises:
            MissingBaselineError: if baseline rows were removed.
        """
        data: dict[str, Any] = json.loads(text)
        scores = tuple(Score(**score) for score in data["scores"])
        return cls(data["scale"], data["precision"], data["threads"], scores)
