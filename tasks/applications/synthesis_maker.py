"""The worker of synthesis: reads a clip's cameras, fuses them moment by moment, writes the video.

A clip is held in memory at the size that is made, some 80 MB of 10 s at 288 px a source: damage
and clocks are of whole clips.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from infra.errors import MediaError
from models.synthesis import Synthesis
from tasks.applications.application import Maker
from tasks.applications.video import Comparison, even, sound_of, write
from tasks.decode import Scale, frames
from tasks.generation.requests import Made
from tasks.synthesis.evaluate import Truths
from tasks.synthesis.fuser import Fuser
from tasks.synthesis.fusing import likely_best
from tasks.synthesis.fusing import robust as plain_fused
from tasks.synthesis.fusion_sources import aligned, damage_of, damaged, late
from tasks.synthesis.material import reduced, shown_at
from tasks.synthesis.missing_camera import MissingCamera
from tasks.synthesis.rate_conversion import Sources, plain_between, rate_sources
from tasks.synthesis.view_sources import onto
from tasks.training.served_network import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.applications.synthesis import Synthesise
    from tasks.generation.requests import CameraSource, Request
    from tasks.synthesis.alignment import Pixels


@dataclass(slots=True)
class _Video:
    """Frames that are made, with their times from the clip's start, and what they are judged by.

    `truth` has a place for each frame; None where there is no truth. `peers` are other ways.
    """

    times_ns: list[int] = field(default_factory=list)
    made: list[Pixels] = field(default_factory=list)
    truth: list[Pixels | None] = field(default_factory=list)
    peers: list[dict[str, Pixels]] = field(default_factory=list)
    fused: list[bool] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class SynthesisMaker(Maker):
    """Holds the loaded networks, if they are asked; `make` makes one video."""

    def __init__(self, model_folder: str | None, asked: Synthesise) -> None:
        self._fuser = None if model_folder is None else Fuser(_networks(model_folder))
        self._asked = asked

    def make(self, request: Request) -> Made:
        """Make one video.

        Raises:
            MediaError: a source cannot be read, or has too few frames.
        """
        camera = request.sources[0]
        size = even(*reduced(camera.size, self._asked.side or min(camera.size)))
        whole, times = _read(camera, size)
        ways = {"fuse": self._fused, "rate": self._doubled, "view": self._viewed}
        video = ways[self._asked.mode](request, whole, times)
        comparison = Comparison(request.span.duration_ns)

        def shown() -> Iterator[tuple[Pixels, int]]:
            for k, (pixels, t_ns) in enumerate(zip(video.made, video.times_ns, strict=True)):
                truth = video.truth[k]
                if comparison.wants(t_ns) and video.peers[k]:
                    beside = {} if truth is None else {"truth": truth}
                    comparison.add({**video.peers[k], "made": pixels, **beside})
                yield pixels, t_ns

        rate = Fraction(*camera.rate) if all(camera.rate) else Fraction(25)
        twice = self._asked.mode == "rate" and not self._asked.remake
        written = write(
            request,
            shown(),
            rate=2 * rate if twice else rate,
            time_base=_halved(camera.time_base) if twice else None,
            audio=sound_of(camera),
        )
        picture = comparison.write(request)
        return Made(written, *size, quality=_quality(video), picture=picture)

    def _fused(self, request: Request, whole: Pixels, times: Sequence[int]) -> _Video:
        """Fuse bad copies of a camera, the other cameras, or both."""
        camera, *others = request.sources
        name = f"{camera.clip.recording_id}/{camera.clip.span.start_ns}"
        copies = []
        for k, words in enumerate(self._asked.damage):
            damage = damage_of(words)
            copies.append(Sources(*damaged(late(whole, damage.shift), damage, name, f"copy{k}")))
        copies = aligned(copies or [Sources(whole, np.ones(whole.shape[:3], np.float32))])
        if self._asked.others:
            size = (whole.shape[2], whole.shape[1])
            for other in others:
                seen = _seen_by(camera, other, times, size)
                copies.append(onto(copies[0].pictures, seen))
        video = _Video()
        for t, t_ns in enumerate(times):
            moment = Sources(
                np.stack([one.pictures[t] for one in copies]),
                np.stack([one.trust[t] for one in copies]),
            )
            plain = plain_fused(*moment)
            best = moment.pictures[likely_best(*moment)]
            self._add(video, moment, t_ns, "fuse", {"best source": best, "robust mean": plain})
            video.truth.append(whole[t] if self._asked.damage else None)
        video.facts["sources"] = len(copies)
        return video

    def _doubled(self, request: Request, whole: Pixels, times: Sequence[int]) -> _Video:
        """Put a frame between any two."""
        if len(whole) < 3:
            first = request.sources[0].clip
            raise MediaError(
                f"clip {first.clip_id} has {len(whole)} frames: nothing is between them",
                reason="too_few_frames",
            )
        video, apart = _Video(), 2 if self._asked.remake else 1
        last = (len(whole) - 1) // apart * apart
        for k in range(0, last, apart):
            _as_is(video, whole[k], times[k])
            before, after = whole[k], whole[k + apart]
            middle = times[k + 1] if self._asked.remake else (times[k] + times[k + 1]) // 2
            gap = max(1, times[k + apart] - times[k])
            sources = rate_sources(before, after, (middle - times[k]) / gap)
            plain = plain_between(sources)
            peers = {"before": before, "warp": plain["warp"]}
            self._add(video, sources, middle, "rate", peers)
            video.truth.append(whole[k + 1] if self._asked.remake else None)
        _as_is(video, whole[last], times[last])
        return video

    def _viewed(self, request: Request, whole: Pixels, times: Sequence[int]) -> _Video:
        """Make a camera's frames from the others', and from what it showed at other times."""
        camera, *others = request.sources
        size = (whole.shape[2], whole.shape[1])
        shown = [_seen_by(camera, other, times, size) for other in others]
        missing = MissingCamera.of(camera.clip, [other.clip for other in others], size)
        video = _Video()
        for t, t_ns in enumerate(times):
            pictures = [some[t] for some in shown]
            sources = missing.sources(pictures)
            peers = {"nearest": pictures[0], "homography": missing.plain(pictures)}
            self._add(video, sources, t_ns, "view", peers)
            video.truth.append(whole[t])
        video.facts |= {"sources": len(others), "background": missing.background is not None}
        return video

    def _add(
        self, video: _Video, sources: Sources, t_ns: int, task: str, peers: dict[str, Pixels]
    ) -> None:
        if self._fuser is None:
            video.made.append(list(peers.values())[-1])
            video.fused.append(False)
        else:
            found = self._fuser.fuse(sources, task)
            video.made.append(found.guarded)
            video.fused.append(found.fused)
        video.times_ns.append(t_ns)
        video.peers.append(peers)


def _networks(folder: str) -> Synthesis:
    return load_network(folder, Synthesis)


def _as_is(video: _Video, picture: Pixels, t_ns: int) -> None:
    video.made.append(picture)
    video.times_ns.append(t_ns)
    video.truth.append(None)
    video.peers.append({})


def _quality(video: _Video) -> dict[str, Any]:
    """Return PSNR and SSIM of what was made and of its peers against the truth, if there is one."""
    share = round(float(np.mean(video.fused)), 4) if video.fused else 0.0
    known = [k for k, one in enumerate(video.truth) if one is not None]
    facts = {**video.facts, "fused_share": share}
    if not known:
        return {"reference": "none", **facts}
    truth = Truths(np.stack([one for one in video.truth if one is not None]), np.arange(len(known)))
    found: dict[str, Any] = {"reference": "truth", **facts}
    ways = {"": [video.made[k] for k in known]}
    ways |= {name: [video.peers[k][name] for k in known] for name in video.peers[known[0]]}
    for name, some in ways.items():
        start = f"{name.replace(' ', '_')}_" if name else ""
        for measure, value in truth.measures(some).items():
            if not np.isnan(value):
                found[f"{start}{measure}"] = round(value, 4)
    return found


def _read(camera: CameraSource, size: tuple[int, int]) -> tuple[Pixels, list[int]]:
    """Return a clip's frames (T, H, W, 3) and their times from its start, in ns."""
    clip = camera.clip
    found, times = [], []
    scale = Scale("frame", *size, "rgb24")
    for frame in frames(clip.source, clip.recording_span, (scale,), start_pts=clip.start_pts):
        found.append(frame.images["frame"])
        times.append(frame.t_ns - clip.recording_span.start_ns)
    if not found:
        raise MediaError("no frame of this clip decodes", reason="no_frames")
    return np.stack(found), times


def _seen_by(
    camera: CameraSource, other: CameraSource, times: Sequence[int], size: tuple[int, int]
) -> Pixels:
    """Return what another camera showed when one's frames were taken, at one's size."""
    begin, clock = camera.clip.recording_span.start_ns, camera.clip.clock
    at = [other.clip.clock.to_recording(clock.to_session(begin + t)) for t in times]
    seen = shown_at(other.clip, at, size)
    if len(seen) < len(times):
        raise MediaError(f"no frame of {other.clip.camera_id} decodes", reason="no_frames")
    return np.stack([seen[k] for k in range(len(times))])


def _halved(time_base: tuple[int, int]) -> tuple[int, int]:
    return time_base[0], 2 * time_base[1]
