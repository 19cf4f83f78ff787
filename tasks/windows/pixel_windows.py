"""Windows of pixels: frames of clips as super-resolution trains on and is judged by.

Reads the archive through `decode`; writes nothing. Windows of features are in `windows.py`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from infra.errors import MediaError
from tasks.decode import Scale, frames
from tasks.superresolution.evaluate import HeldOut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from tasks.recordings.sources import ClipSource

    Pixels = npt.NDArray[np.uint8]

# The shorter side of a truth frame. 1080p footage is brought down to it, which also removes the
# traces of its own coding; smaller footage is taken as it is.
TRUTH_SIDE = 288
# Clips of one camera that a training set takes at the most, so that its cost does not grow with
# the archive: 256 clips of 2 s are 8.5 minutes of footage.
MAX_CLIPS = 256


def read_truth(clip: ClipSource, width: int, height: int, limit: int | None = None) -> Pixels:
    """Return a clip's frames as uint8 (T, H, W, 3), brought down to `TRUTH_SIDE`.

    `width` and `height` are the recording's as displayed; H and W are multiples of 8 (two octaves
    of super-resolution and an even frame); at most `limit` frames from the clip's start.

    Raises:
        MediaError: reason `no_frames` if none decodes.
    """
    shrink = min(1.0, TRUTH_SIDE / min(width, height))
    size = [max(8, round(side * shrink) // 8 * 8) for side in (width, height)]
    scale = Scale("truth", size[0], size[1], "rgb24")
    found = []
    for frame in frames(clip.source, clip.recording_span, (scale,), start_pts=clip.start_pts):
        found.append(frame.images["truth"])
        if limit is not None and len(found) == limit:
            break
    if not found:
        raise MediaError(f"no frame of clip {clip.clip_id} decodes", reason="no_frames")
    return np.stack(found)


def training_windows(
    clips: Sequence[tuple[ClipSource, int, int]], count: int, steps: int, crop: int, seed: int
) -> Pixels:
    """Draw `count` windows of `steps` frames and `crop` px: uint8 (count, steps, crop, crop, 3).

    `clips` are (clip, width, height). Each session gives an equal share, so that a long take does
    not drown the others; a clip shorter than `steps` frames or smaller than `crop` gives none.
    The same clips and seed give the same windows.

    Raises:
        MediaError: reason `no_frames` if no clip gives a window.
    """
    chosen = _spread(clips, seed)
    sessions = {clip.session_id for clip, _, _ in chosen}
    share: dict[str, int] = defaultdict(int)
    for clip, _, _ in chosen:
        share[clip.session_id] += 1
    rng = np.random.default_rng(seed)
    drawn: list[Pixels] = []
    for clip, width, height in chosen:
        wanted = -(-count // (len(sessions) * share[clip.session_id]))
        truth = read_truth(clip, width, height)
        if len(truth) < steps or min(truth.shape[1:3]) < crop:
            continue
        drawn += list(_crops(truth, wanted, steps, crop, rng))
    if not drawn:
        raise MediaError(f"no training clip has {steps} frames of {crop} px", reason="no_frames")
    order = rng.permutation(len(drawn))[:count]
    return np.stack([drawn[k] for k in order])


def _spread(
    clips: Sequence[tuple[ClipSource, int, int]], seed: int
) -> list[tuple[ClipSource, int, int]]:
    """Choose at most `MAX_CLIPS`, the same ones for the same seed."""
    if len(clips) <= MAX_CLIPS:
        return list(clips)
    chosen = np.random.default_rng(seed).choice(len(clips), MAX_CLIPS, replace=False)
    return [clips[k] for k in sorted(chosen)]


def _crops(
    truth: Pixels, wanted: int, steps: int, crop: int, rng: np.random.Generator
) -> Iterator[Pixels]:
    """Draw crops, of two candidates the one with more detail: flat walls teach nothing."""
    t, h, w, _ = truth.shape
    for _ in range(wanted):
        best: Pixels | None = None
        for _ in range(2):
            k, y, x = (int(rng.integers(n + 1)) for n in (t - steps, h - crop, w - crop))
            piece = truth[k : k + steps, y : y + crop, x : x + crop]
            if best is None or piece[0].std() > best[0].std():
                best = piece
        if best is not None:
            yield best.copy()


def heldout_clips(
    clips: Sequence[tuple[ClipSource, int, int]], limit: int, per_session: int
) -> Iterator[HeldOut]:
    """Yield the first `limit` frames of up to `per_session` clips of each held-out session."""
    taken: dict[str, int] = defaultdict(int)
    for clip, width, height in clips:
        if taken[clip.session_id] >= per_session:
            continue
        taken[clip.session_id] += 1
        yield HeldOut(
            session_id=clip.session_id,
            session_name=clip.session_name,
            clip_id=clip.clip_id,
            camera_id=clip.camera_id,
            frames=read_truth(clip, width, height, limit),
        )
