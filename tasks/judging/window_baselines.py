"""What pictures of a distiller are compared with: medians, other cameras, warps, linear codes.

Windows' pictures in, pictures out. Everything fitted is fitted on training windows, and nothing
sees the camera that is made where the model does not. All answers are bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.dual_components import DualComponents
from tasks.judging.patch_components import PatchComponents
from tasks.rigs.camera_warps import (
    blended,
    fitted_homography,
    optical_axis,
    plane_homography,
    rig_centre,
)
from tasks.windows.pictures import backgrounds, median_picture, spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from models.distiller_config import DistillerConfig
    from tasks.windows.pictures import Bytes, Ints, WindowPictures

    Matrix = npt.NDArray[np.float64]

# Rows that components of whole windows are fitted to; more cost as long as training does.
MOST_ROWS = 256


def code_floats(config: DistillerConfig, steps: int) -> int:
    """Return how many numbers the code of a window of so many steps has."""
    half = config.cells // 2
    maps = config.key * config.cells**2 + steps * config.step * half**2
    return config.latents * config.semantic + maps


# An extra peer of *target*: the frames around, as they are. It keeps 80 ms and any number of bytes.
NEIGHBOURS = "neighbours"


class TargetBaselines:
    """Peers that rebuild a camera they are given, fitted on training windows.

    `pca` has a camera's window as row, and the code's floats shared among the cameras of a window:
    rigs have different cameras and numbers of them, and what one saw would mean nothing at
    another's place.
    """

    def __init__(self, fit: Sequence[WindowPictures], floats: int) -> None:
        """Fit to windows, of which there is one with a picture at least; `floats` a window."""
        rows = [(one.session_id, (one, camera)) for one in fit for camera in one.lit()]
        chosen = list(spread(rows, MOST_ROWS))
        self._floats = floats
        self._whole = DualComponents.fit(
            np.stack([_blocks(one.frames[camera]) for one, camera in chosen]),
            np.stack([one.usable[camera] for one, camera in chosen]),
            floats,
        )
        self._patches = PatchComponents.fit([one.frames[camera] for one, camera in chosen])

    def made(self, window: WindowPictures, camera: int, steps: Ints) -> dict[str, Bytes]:
        """Return each method's pictures of a camera at some steps: (F, 3, side, side)."""
        frames, usable = window.frames[camera], window.usable[camera]
        floats = self._floats // len(window.lit())
        patches = self._patches.rebuilt(frames, floats)[steps]
        return {
            NEIGHBOURS: neighbours(window, camera, steps),
            "pca": completed(self._whole, _blocks(frames), usable, floats, steps, frames.shape[1:]),
            "patch_pca": _bytes(patches),
        }


class ViewBaselines:
    """Peers that make a camera's pictures from other cameras', fitted on training windows.

    What is known of the camera is its calibration and, of a rig that was trained on, its pictures
    at earlier times. `pca` has rows of two parts, the camera and the mean of the others, one of
    each window and camera, and is completed from the second.
    """

    def __init__(self, fit: Sequence[WindowPictures], floats: int) -> None:
        """Fit to windows, those of several cameras if there are any; `floats` a window."""
        several = [one for one in fit if len(one.lit()) > 1]
        self._backgrounds = backgrounds(several)
        self._homographies: dict[tuple[str, str, str], Matrix] = {}
        rows = [(one.session_id, (one, k)) for one in several or fit for k in one.lit()]
        pairs = [_pair(one, k, one.others(k)) for one, k in spread(rows, MOST_ROWS)]
        self._floats = floats
        self._whole = DualComponents.fit(
            np.stack([row for row, _ in pairs]), np.stack([there for _, there in pairs]), floats
        )

    def made(
        self, window: WindowPictures, camera: int, given: Sequence[int], steps: Ints
    ) -> dict[str, Bytes]:
        """Return each method's pictures of a camera at some steps from the others `given`."""
        shown = window.frames[list(given)][:, steps]  # (V, F, 3, side, side)
        warps = [self.homography(window, camera, other, given) for other in given]
        row, there = _pair(window, camera, given)
        half = window.frames.shape[1]
        there[:half] = False
        shape = window.frames.shape[2:]
        return {
            "median": self._median(window, camera, given, len(steps)),
            "nearest": window.frames[nearest_camera(window, camera, given, self._backgrounds)][
                steps
            ],
            "blend": np.asarray(shown.mean(axis=0).round(), np.uint8),
            "homography": np.stack([blended(one, warps) for one in shown.swapaxes(0, 1)]),
            "pca": completed(self._whole, row, there, self._floats, steps, shape),
        }

    def background(self, window: WindowPictures, camera: int) -> Bytes | None:
        """Return a camera's median over its session's training windows, if there are any."""
        return self._backgrounds.get((window.session_id, window.cameras[camera]))

    def _median(
        self, window: WindowPictures, camera: int, given: Sequence[int], count: int
    ) -> Bytes:
        """The camera's median over its session's training windows.

        Of a rig that was not trained on no picture of the camera exists: then it is the mean of
        the given cameras' medians over this window.
        """
        known = self.background(window, camera)
        if known is None:
            each = [median_picture(window.frames[k][window.usable[k]]) for k in given]
            known = np.asarray(np.mean(each, axis=0).round(), np.uint8)
        return np.repeat(known[None], count, axis=0)

    def homography(
        self, window: WindowPictures, camera: int, other: int, given: Sequence[int]
    ) -> Matrix:
        """Return the warp from another camera: fitted, or of a plane, or none.

        Fitted to the backgrounds of a rig that was trained on. Of another rig that is calibrated
        that of the plane through the rig's centre which faces the camera. Else there is no warp.
        """
        plane = _plane(window, camera, other, given)
        ours, theirs = (self.background(window, k) for k in (camera, other))
        if ours is None or theirs is None:
            return np.eye(3) if plane is None else plane
        key = (window.session_id, window.cameras[camera], window.cameras[other])
        if key not in self._homographies:
            self._homographies[key] = fitted_homography(ours, theirs, plane)
        return self._homographies[key]


def nearest_camera(
    window: WindowPictures,
    camera: int,
    given: Sequence[int],
    known_backgrounds: Mapping[tuple[str, str], Bytes],
) -> int:
    """Return which of the others stands in for a camera.

    Of calibrated cameras the one that looks most nearly the same way; else, where backgrounds of
    this session are known from training, the one with the most similar; else the first by name.
    """
    calibrated = [k for k in given if window.known[k]]
    if window.known[camera] and calibrated:
        axis = optical_axis(window.vectors[camera])
        return max(calibrated, key=lambda k: float(axis @ optical_axis(window.vectors[k])))
    ours, *theirs = (
        known_backgrounds.get((window.session_id, window.cameras[k])) for k in (camera, *given)
    )
    far = {
        k: float(np.square(ours.astype(np.float32) - one).mean())
        for k, one in zip(given, theirs, strict=True)
        if ours is not None and one is not None
    }
    return min(far or given, key=lambda k: far.get(k, 0.0))


def neighbours(window: WindowPictures, camera: int, steps: Ints) -> Bytes:
    """The median of a camera's usable frames at the other steps of the window, at each of `steps`.

    Where no other step is left, each step is shown by the median of the rest.
    """
    at = np.flatnonzero(window.usable[camera])
    other = np.setdiff1d(at, steps)
    left = [other if len(other) else np.setdiff1d(at, step) for step in steps]
    return np.stack([median_picture(window.frames[camera][rest]) for rest in left])


def completed(
    components: DualComponents,
    row: Bytes,
    known: npt.NDArray[np.bool_],
    floats: int,
    blocks: Ints,
    shape: tuple[int, ...],
) -> Bytes:
    """Return some blocks of a row of which others are known, as pictures (F, *shape)."""
    weights = components.weights(components.products(row, known), known, floats)
    return _bytes(np.stack([components.block(weights, b) for b in blocks]).reshape(-1, *shape))


def _plane(window: WindowPictures, camera: int, other: int, given: Sequence[int]) -> Matrix | None:
    if not (window.known[camera] and window.known[other]):
        return None
    rig = [k for k in (camera, *given) if window.known[k]]
    centre = rig_centre(window.vectors[rig])
    if centre is None:
        return None
    made, of = (window.vectors[k] for k in (camera, other))
    aspects = float(window.aspects[camera]), float(window.aspects[other])
    return plane_homography(made, of, aspects, centre, window.frames.shape[-1])


def _pair(
    window: WindowPictures, camera: int, given: Sequence[int]
) -> tuple[Bytes, npt.NDArray[np.bool_]]:
    """Return a row of 2 T blocks: a camera's steps and the mean of the others', and which exist."""
    usable = window.usable[list(given)]  # (V, T)
    weight = usable[:, :, None, None, None]
    summed = np.where(weight, window.frames[list(given)], 0).sum(axis=0)
    mean = summed / np.maximum(1, usable.sum(axis=0))[:, None, None, None]
    row = np.concatenate([window.frames[camera], mean.round().astype(np.uint8)])
    return _blocks(row), np.concatenate([window.usable[camera], usable.any(axis=0)])


def _blocks(frames: Bytes) -> Bytes:
    return frames.reshape(len(frames), -1)


def _bytes(pictures: npt.NDArray[np.floating]) -> Bytes:
    return np.asarray((pictures.clip(0, 1) * 255).round(), np.uint8)
