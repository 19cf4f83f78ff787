"""Decodes clips for the views that are due: pictures, sound and words, each only where wanted.

Reads the archive; writes nothing. One pass over a recording's packets serves a whole batch, for
the union of the sizes that the batch's views ask for.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from catalog.span import grid
from tasks.decode import sample
from tasks.recordings.hearing import clip_sounds
from tasks.recordings.subtitles import clip_words
from tasks.views.catalogue import VIEWS
from tasks.views.view import DecodedClip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from tasks.decode import Scale
    from tasks.extraction.clip_work import ClipWork, Extracted
    from tasks.recordings.sound import Sound
    from tasks.recordings.words import Words
    from tasks.views.view import ViewSpec

    Instants = npt.NDArray[np.int64]


def decoded_clips(
    batch: list[ClipWork], step_ns: int, found: Extracted
) -> Iterator[tuple[ClipWork, DecodedClip]]:
    """Yield each clip of a batch of one recording, in order of time, decoded.

    Frames and CPU seconds are counted in `found`.

    Raises:
        MediaError: the recording cannot be read on.
        OSError: its storage fails.
    """
    specs = [VIEWS[name].spec for name in sorted({due.view for w in batch for due in w.due})]
    first = batch[0].clip
    grids = [np.array(grid(work.clip.span, step_ns), np.int64) for work in batch]
    instants = [
        np.array([work.clip.clock.to_recording(int(t)) for t in times], np.int64)
        for times, work in zip(grids, batch, strict=True)
    ]
    sounds: Iterable[Sound | None] = repeat(None)
    # A mute recording is not opened for it: 27 ms of a file of 1080p.
    if first.has_audio and any(spec.sound for spec in specs):
        sounds = clip_sounds(first.source, instants, start_pts=first.start_pts)
    words: Iterable[Words | None] = repeat(None)
    if any(spec.words for spec in specs):
        since = found.clock()
        spans = [work.clip.recording_span for work in batch]
        words = clip_words(first.source, spans, start_pts=first.start_pts)
        found.spent("words", since)
    pictured = _pictured(batch, grids, instants, _union(specs), found)
    heard, said = iter(sounds), iter(words)
    for work, clip in zip(batch, pictured, strict=True):
        since = found.clock()
        sound, text = next(heard), next(said)
        found.spent("hear", since)
        if text is not None:
            text = replace(text, labels=work.clip.labels)
        yield work, replace(clip, sound=sound, words=text)


def _pictured(
    batch: list[ClipWork],
    grids: list[Instants],
    instants: list[Instants],
    scales: tuple[Scale, ...],
    found: Extracted,
) -> Iterator[DecodedClip]:
    """Yield each clip with its pictures; no frame is decoded where none is wanted."""
    first = batch[0].clip
    if not scales:
        for times in grids:
            present = np.ones(len(times), bool)
            yield DecodedClip(times, present, {}, first.size, clock=found.clock)
        return
    edges = np.cumsum([0, *[len(times) for times in grids]])
    at, since = 0, found.clock()
    clip = _Canvas(grids[0], first.size)
    wanted = np.concatenate(instants)
    for frame in sample(first.source, wanted, scales, start_pts=first.start_pts):
        for index in frame.indices:
            while index >= edges[at + 1]:
                found.spent("decode", since)
                yield clip.close(found)
                since, at = found.clock(), at + 1
                clip = _Canvas(grids[at], first.size)
            clip.put(index - edges[at], frame.images)
    while at < len(batch):
        found.spent("decode", since)
        yield clip.close(found)
        since, at = found.clock(), at + 1
        if at < len(batch):
            clip = _Canvas(grids[at], first.size)


class _Canvas:
    """The pictures of one clip while its frames come in."""

    def __init__(self, times_ns: Instants, size: tuple[int, int]) -> None:
        self.times_ns, self._size = times_ns, size
        self.present = np.zeros(len(times_ns), bool)
        self.images: dict[str, npt.NDArray[np.uint8]] = {}

    def put(self, index: int, images: dict[str, npt.NDArray[np.uint8]]) -> None:
        if not self.images:
            self.images = {
                name: np.zeros((len(self.times_ns), *image.shape), np.uint8)
                for name, image in images.items()
            }
        for name, image in images.items():
            self.images[name][index] = image
        self.present[index] = True

    def close(self, found: Extracted) -> DecodedClip:
        found.frames_wanted += len(self.present)
        found.frames_decoded += int(self.present.sum())
        return DecodedClip(self.times_ns, self.present, self.images, self._size, clock=found.clock)


def _union(specs: list[ViewSpec]) -> tuple[Scale, ...]:
    return tuple({scale.name: scale for spec in specs for scale in spec.scales}.values())
