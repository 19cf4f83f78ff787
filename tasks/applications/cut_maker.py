"""The worker of cuts: reads what each shot shows, mixes it, writes the video with its sound.

Memory does not grow with the length: frames and sounds stream through.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from catalog.span import SECOND_NS, Span
from infra.errors import MediaError
from tasks.applications.application import Maker
from tasks.applications.video import Comparison, even, sound_of, write
from tasks.containers.sound_stream import SoundStream
from tasks.decode import Scale, frames, sample
from tasks.editing.mixing import mixed
from tasks.editing.sounding import RATE, Voice, mixed_sound
from tasks.editing.timeline import Mix, Shot, frame_times
from tasks.generation.requests import Made

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from tasks.generation.requests import CameraSource, Request
    from tasks.mux import AudioCopy

    Pixels = npt.NDArray[np.uint8]

# A nominal rate for codecs where a recording's is not known.
_USUAL = Fraction(25)


class CutMaker(Maker):
    """Cuts spans, and edit lists; needs no model."""

    def make(self, request: Request) -> Made:
        """Make one video.

        Raises:
            MediaError: a source cannot be read.
        """
        return _program(request) if "shots" in request.given else _trim(request)


def _trim(request: Request) -> Made:
    """Write a span of one camera with the timing of its source, on the session's clock."""
    camera, span = request.sources[0], request.span
    clip = camera.clip
    size = even(*camera.size)
    scale = Scale("frame", *size, "rgb24")
    given = frames(clip.source, _recorded(camera), (scale,), start_pts=clip.start_pts)
    comparison = Comparison(span.duration_ns)

    def video() -> Iterator[tuple[Pixels, int]]:
        empty = True
        for found in given:
            empty = False
            t_ns = max(0, clip.clock.to_session(found.t_ns) - span.start_ns)
            if comparison.wants(t_ns):
                comparison.add({clip.camera_id: found.images["frame"]})
            yield found.images["frame"], t_ns
        if empty:
            raise MediaError("no frame of this span decodes", reason="no_frames")

    written = write(request, video(), audio=_sound(request))
    return Made(
        written, *size, quality={"cameras_in_sync": True}, picture=comparison.write(request)
    )


def _recorded(camera: CameraSource) -> Span:
    """Return the span on the recording's clock; it may begin before the first frame does."""
    found = camera.clip.recording_span
    return Span(max(0, found.start_ns), max(1, found.end_ns))


def _sound(request: Request) -> AudioCopy | SoundStream | None:
    """Return the sound that goes with a span: copied, unless its clock runs apart from ours."""
    number = request.given["sound"]
    if number is None:
        return None
    source = request.sources[number]
    if number == 0 and not source.clip.clock.drift_ppb and source.clip.recording_span.start_ns >= 0:
        return sound_of(source)
    span = request.span
    shot = Shot("", "", None, Span(0, span.duration_ns), span.start_ns)
    parts = mixed_sound([Voice(0, shot, source.clip)], Mix(), 1, span.duration_ns)
    return SoundStream(parts, RATE)


def _program(request: Request) -> Made:
    """Write an edit list, as planned, on an even grid of frames."""
    given = request.given
    shots = [(_shot(one), one) for one in given["shots"]]
    mix = Mix(given["mix"], tuple(given["weights"]))
    rate, size = Fraction(*given["rate"]), even(*given["size"])
    times = frame_times(given["duration_ns"], rate)
    # Weights and pictures are those of the middle of each frame: neither begins nor ends early,
    # and cameras whose frames begin when ours do never flicker between two.
    half = SECOND_NS * rate.denominator // rate.numerator // 2
    readers = [_Reader(shot, request.sources[one["source"]], times, half) for shot, one in shots]
    comparison = Comparison(given["duration_ns"])

    def video() -> Iterator[tuple[Pixels, int]]:
        for k, t_ns in enumerate(times):
            tracks: list[list[tuple[Pixels, float]]] = [[] for _ in range(given["tracks"])]
            for reader, (shot, one) in zip(readers, shots, strict=True):
                weight = float(shot.weight(t_ns + half))
                picture = reader.frame(k)
                if picture is not None and weight > 0:
                    tracks[one["track"]].append((picture, weight))
            made = mixed(tracks, mix, size)
            if comparison.wants(t_ns):
                comparison.add({given["camera"] or "program": made})
            yield made, t_ns

    voices = [
        Voice(one["track"], shot, request.sources[one["sound"]].clip)
        for shot, one in shots
        if one["sound"] is not None
    ]
    audio = None
    if voices:
        parts = mixed_sound(voices, mix, given["tracks"], given["duration_ns"])
        audio = SoundStream(parts, RATE)
    base = (rate.denominator, rate.numerator)
    written = write(request, video(), rate=rate, time_base=base, audio=audio)
    quality = {"shots": len(shots), "tracks": given["tracks"]}
    return Made(written, *size, quality=quality, picture=comparison.write(request))


def _shot(given: dict[str, Any]) -> Shot:
    rise, fall = (Span(*given[key]) if given[key] else None for key in ("rise", "fall"))
    return Shot(given["name"], "", None, Span(*given["span"]), given["shift_ns"], rise, fall)


class _Reader:
    """What one shot shows at each frame of the list; reads only while it is shown."""

    def __init__(self, shot: Shot, camera: CameraSource, times: list[int], half: int) -> None:
        self._frames = [k for k, t_ns in enumerate(times) if shot.span.contains(t_ns + half)]
        clip, self._clip = camera.clip, camera.clip
        self._instants = [
            max(0, clip.clock.to_recording(times[k] + half + shot.shift_ns)) for k in self._frames
        ]
        self._found: Iterator[tuple[int, Pixels]] | None = None
        self._next: tuple[int, Pixels] | None = None
        self._shown: Pixels | None = None

    def frame(self, k: int) -> Pixels | None:
        """Return the picture at frame k, None where the shot is not shown; ask in order.

        Raises:
            MediaError: nothing can be read.
        """
        if not self._frames or not self._frames[0] <= k <= self._frames[-1]:
            self._found = self._shown = None
            return None
        if self._found is None:
            self._found = self._read()
            self._next = next(self._found, None)
        while self._next is not None and self._next[0] <= k - self._frames[0]:
            self._shown = self._next[1]
            self._next = next(self._found, None)
        if self._shown is None:
            raise MediaError("no frame of a shot decodes", reason="no_frames")
        return self._shown

    def _read(self) -> Iterator[tuple[int, Pixels]]:
        scale = Scale("frame", None, None, "rgb24")
        found = sample(self._clip.source, self._instants, (scale,), start_pts=self._clip.start_pts)
        for one in found:
            if one.indices:
                yield min(one.indices), one.images["frame"]
