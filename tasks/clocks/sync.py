"""One clock for the cameras of a session: how far apart they started, and how their clocks run.

Reads what scans noted of every frame, loudness and calibration where there are any; writes
nothing. What cannot be told is called unsynchronised, with the confidence that was reached:
`infra/decisions/0007-clocks.md` has what was measured, and what does not work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from catalog.span import SECOND_NS
from tasks.clocks.fusion import join
from tasks.clocks.pairs import Pair, compare
from tasks.clocks.refine import refine
from tasks.clocks.traces import motion_trace, plane_traces, sound_trace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from tasks.clocks.curves import Trace
    from tasks.ingest.signals import Signals
    from tasks.recordings.loudness import Loudness
    from tasks.rigs.calibration import Calibration

    Floats = npt.NDArray[np.float64]

__all__ = ["CameraTrack", "MeasuredClock", "SessionClock", "align"]

Method = Literal["audio", "motion", "geometry", "joints", "sole", "assumed"]
Status = Literal["measured", "unsynchronised", "sole"]

# Offsets are looked for on a grid no finer than this; the fit goes between.
FINEST_S = 0.01
FRAME_S = 0.04  # of a recording with one frame


@dataclass(frozen=True, slots=True)
class CameraTrack:
    """What is known of one camera's recording, all on its own clock.

    `prior_offset_ns` is where a manifest or the file says that it starts on a clock that all
    cameras of the session share, right to about 2 s; None if nothing says so.
    """

    camera_id: str
    signals: Signals
    duration_ns: int
    loudness: Loudness | None = None
    prior_offset_ns: int | None = None


@dataclass(frozen=True, slots=True)
class MeasuredClock:
    """Where a camera's clock stands: t of it is `offset_ns + t (1 - drift_ppb / 1e9)`.

    A positive drift is a clock that runs fast against the session's. `method` is what said most
    about the offset; `confidence`, 0..1, that it is right to 1.5 frames.
    """

    camera_id: str
    offset_ns: int
    drift_ppb: int
    confidence: float
    method: Method


@dataclass(frozen=True, slots=True)
class SessionClock:
    """The clocks of all cameras, in the order given; the smallest offset is 0.

    `measured` if every camera's confidence reached the threshold; else `unsynchronised`: then
    offsets are what was known before, or 0, and confidences those that were reached.
    """

    cameras: tuple[MeasuredClock, ...]
    status: Status


@dataclass(frozen=True)
class _Heard:
    """A camera with its traces, and the step of its frames in seconds."""

    track: CameraTrack
    frame_s: float
    motion: Trace | None = field(repr=False)
    sound: Trace | None = field(repr=False)


def align(
    cameras: Sequence[CameraTrack],
    *,
    calibration: Calibration | None = None,
    max_offset_ns: int = 60 * SECOND_NS,
    min_confidence: float = 0.85,
) -> SessionClock:
    """Find the clock of a session; the order of cameras does not matter, nor does the run.

    Drift is against the first camera by name. Offsets beyond `max_offset_ns` are not looked for.

    Raises:
        ValueError: no camera, or two of one name.
    """
    if not cameras or len({track.camera_id for track in cameras}) < len(cameras):
        raise ValueError("a session has one or more cameras, each of its own name")
    if len(cameras) == 1:
        sole = MeasuredClock(cameras[0].camera_id, 0, 0, 1.0, "sole")
        return SessionClock((sole,), "sole")
    heard = [_heard(track) for track in sorted(cameras, key=lambda track: track.camera_id)]
    pairs = _pairs(heard, calibration, max_offset_ns / SECOND_NS)
    frames_s = [one.frame_s for one in heard]
    known = np.array(
        [
            np.nan if one.track.prior_offset_ns is None else one.track.prior_offset_ns / SECOND_NS
            for one in heard
        ]
    )
    joined = join(pairs, frames_s, known[None, :] - known[:, None])
    sure = {one.track.camera_id: float(c) for one, c in zip(heard, joined.confidence, strict=True)}
    if min(sure.values()) < min_confidence:
        return _assumed(cameras, sure)
    fit = refine(pairs, joined.offsets_s, frames_s)
    offsets_ns = np.round((fit.offsets_s - fit.offsets_s.min()) * SECOND_NS).astype(np.int64)
    clocks = {
        one.track.camera_id: MeasuredClock(
            camera_id=one.track.camera_id,
            offset_ns=int(offsets_ns[k]),
            drift_ppb=round(fit.drifts[k] * 1e9),
            confidence=sure[one.track.camera_id],
            method=_method(pairs, k, joined.offsets_s),
        )
        for k, one in enumerate(heard)
    }
    return SessionClock(tuple(clocks[track.camera_id] for track in cameras), "measured")


def _heard(track: CameraTrack) -> _Heard:
    steps = np.diff(track.signals.times_ns)
    frame_s = float(np.median(steps)) / SECOND_NS if len(steps) else FRAME_S
    sound = sound_trace(track.loudness) if track.loudness else None
    return _Heard(track, frame_s, motion_trace(track.signals), sound)


def _pairs(
    heard: Sequence[_Heard], calibration: Calibration | None, max_offset_s: float
) -> dict[tuple[int, int], Pair]:
    """Compare every two cameras, all on one grid of offsets."""
    models = calibration.matched(one.track.camera_id for one in heard) if calibration else {}
    found: dict[tuple[int, int], list[tuple[Trace, Trace]]] = {}
    for i, j in combinations(range(len(heard)), 2):
        a, b = heard[i], heard[j]
        both = [(a.motion, b.motion), (a.sound, b.sound)]
        if a.track.camera_id in models and b.track.camera_id in models:
            ids = (a.track.camera_id, b.track.camera_id)
            planes = plane_traces(
                a.track.signals, b.track.signals, *(models[camera] for camera in ids)
            )
            both += [planes] if planes else []
        found[i, j] = [(one, other) for one, other in both if one and other]
    finest = [max(a.step_s, b.step_s) for traces in found.values() for a, b in traces]
    step_s = max(FINEST_S, min(finest, default=FRAME_S))
    lengths = [one.track.duration_ns / SECOND_NS for one in heard]
    return {
        (i, j): compare(traces, (lengths[i], lengths[j]), step_s, max_offset_s)
        for (i, j), traces in found.items()
    }


def _method(pairs: Mapping[tuple[int, int], Pair], camera: int, offsets_s: Floats) -> Method:
    """Return the kind of evidence that said most about a camera."""
    said: dict[str, float] = {}
    for (i, j), pair in pairs.items():
        if camera in (i, j):
            cell = int(np.argmin(np.abs(pair.offsets_s - (offsets_s[j] - offsets_s[i]))))
            for kind, nats in pair.said(cell).items():
                said[kind] = said.get(kind, 0.0) + nats
    kinds: tuple[Method, ...] = ("audio", "motion", "geometry")
    return max(kinds, key=lambda kind: said.get(kind, 0.0))


def _assumed(cameras: Sequence[CameraTrack], sure: Mapping[str, float]) -> SessionClock:
    """Return the clock of cameras that could not be synchronised: what was known before."""
    given = [track.prior_offset_ns for track in cameras]
    offsets = [0 if None in given else offset or 0 for offset in given]
    return SessionClock(
        tuple(
            MeasuredClock(
                track.camera_id, offset - min(offsets), 0, sure[track.camera_id], "assumed"
            )
            for track, offset in zip(cameras, offsets, strict=True)
        ),
        "unsynchronised",
    )
