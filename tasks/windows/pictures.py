"""The pictures of a window at the size that is judged: what baselines are made of and judged by.

Tensors of a `Window` in, bytes out. Cameras are in the order of their names, whatever order the
window has them in.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from models.metrics import quantise
from models.resample import to_side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tasks.windows.sets import Window

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Item = TypeVar("Item")

# Instants of a window that are judged: of 80 ms steps the others are nearly the same pictures.
STEPS = 2


@dataclass(frozen=True, eq=False)
class WindowPictures:
    """What V cameras showed at T steps: `frames` (V, T, 3, side, side), `usable` (V, T).

    A camera's frame that is not usable is its nearest usable one; zeros where it has none.
    `places` says where in the window each camera is, `vectors` (V, 12) and `known` (V,) its
    calibration, `aspects` (V,) the width / height it had before it was made a square.
    """

    session_id: str
    clip_id: str
    first: int
    cameras: tuple[str, ...]
    places: tuple[int, ...]
    frames: Bytes
    usable: Bools
    vectors: npt.NDArray[np.float64]
    known: Bools
    aspects: npt.NDArray[np.float64]

    @classmethod
    def of(cls, window: Window, side: int) -> WindowPictures:
        """Take the thumbnails of a window, resized to `side` and rounded to 8 bits."""
        order = sorted(range(len(window.cameras)), key=window.cameras.__getitem__)
        rgb, mask = (window.tensors[name][0, order] for name in ("rgb", "mask_rgb"))
        frames = (quantise(to_side(rgb, side)) * 255).round().byte().numpy()
        usable = mask.numpy()
        filled = np.stack(
            [one[nearest_steps(there)] for one, there in zip(frames, usable, strict=True)]
        )
        filled[~usable.any(axis=1)] = 0
        aspects = window.aspects or (1.0,) * len(order)
        return cls(
            session_id=window.session_id,
            clip_id=window.clip_id,
            first=window.first,
            cameras=tuple(window.cameras[k] for k in order),
            places=tuple(order),
            frames=filled,
            usable=usable,
            vectors=window.tensors["camera"][0, order].double().numpy(),
            known=window.tensors["camera_known"][0, order].numpy(),
            aspects=np.array([aspects[k] for k in order]),
        )

    def lit(self) -> list[int]:
        """Return the cameras that have a picture at all."""
        return np.flatnonzero(self.usable.any(axis=1)).tolist()

    def others(self, camera: int) -> list[int]:
        """Return the cameras with pictures but one."""
        return [k for k in self.lit() if k != camera]


def nearest_steps(usable: Bools) -> Ints:
    """Return for each of T steps the nearest usable one, the earlier of two; itself if none is."""
    at = np.flatnonzero(usable)
    steps = np.arange(len(usable))
    if not len(at):
        return steps
    return np.asarray(at[np.abs(steps[:, None] - at).argmin(axis=1)])


def judged_steps(usable: Bools, count: int = STEPS) -> Ints:
    """Return at most `count` of the usable steps, evenly from within; another stays unjudged.

    None where fewer than two are usable: there is no other step to know the camera by.
    """
    at = np.flatnonzero(usable)
    taken = min(count, len(at) - 1)
    if taken < 1:
        return at[:0]
    return np.asarray(at[((np.arange(taken) + 0.5) * len(at) / taken).astype(int)])


def median_picture(frames: Bytes) -> Bytes:
    """The static camera: the median over time of (T, 3, h, w), rounded to 8 bits."""
    return np.asarray(np.median(frames, axis=0).round(), np.uint8)


def backgrounds(windows: Iterable[WindowPictures]) -> dict[tuple[str, str], Bytes]:
    """Return the median picture of each session's camera over all steps of all windows."""
    frames: dict[tuple[str, str], list[Bytes]] = {}
    for window in windows:
        for k in window.lit():
            shown = window.frames[k][window.usable[k]]
            frames.setdefault((window.session_id, window.cameras[k]), []).append(shown)
    return {key: median_picture(np.concatenate(found)) for key, found in frames.items()}


def spread(items: Sequence[tuple[str, Item]], most: int) -> Iterator[Item]:
    """Yield at most so many items, as evenly over their sessions as there are items.

    `items` are pairs of a session and an item; the choice is the same each time.
    """
    groups: dict[str, list[Item]] = {}
    for session, item in items:
        groups.setdefault(session, []).append(item)
    rng = np.random.default_rng(0)
    shuffled = [[group[k] for k in rng.permutation(len(group))] for group in groups.values()]
    turns = (item for turn in zip_longest(*shuffled) for item in turn if item is not None)
    for _, item in zip(range(most), turns, strict=False):
        yield item
