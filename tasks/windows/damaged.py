"""Windows as they would be of damaged pictures: what is cheap to see again is seen again.

Reads windows; writes nothing. A window's thumbnails are damaged, and of the damaged ones the views
*flow* and *appearance* are computed by their own code. *silhouette*, *skeleton* and *depth* need
larger pictures, whole clips or other cameras: they are absent here, of undamaged windows too, so
that a difference is the damage and nothing else (infra/decisions/0023).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from tasks.damage.corruptions import Footage, damage
from tasks.damage.rig import dropped_cameras, order_of
from tasks.views.appearance import AppearanceKind
from tasks.views.flow import SIDE, FlowKind
from tasks.views.pictures import RGB224, clip_of
from tasks.windows.tensors import read_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from tasks.damage.corruptions import Corruption, Scope
    from tasks.views.view import View
    from tasks.windows.sets import Window

    Pixels = npt.NDArray[np.uint8]
    Bools = npt.NDArray[np.bool_]
    Part = dict[str, Tensor]  # what one camera says: each tensor (T, ...), and its mask (T,)

# Steps that a window is read longer than it is judged: the most that a camera can be late.
ROOM = 16
READ = ("rgb", "audio", "text")
SEEN_AGAIN = ("flow", "appearance")
ABSENT = ("silhouette", "skeleton", "depth")
_OF_CAMERAS = ("camera", "camera_known", "slot")
_OF_SESSION = ("text", "mask_text")


@dataclass(frozen=True)
class Eyes:
    """The views that are computed again; without its asset *appearance* is absent."""

    flow: View
    appearance: View | None

    @classmethod
    def load(cls, assets: Path | None) -> Eyes:
        """Load them; `assets` is None where *appearance* cannot be."""
        appearance = AppearanceKind().load(assets, 1, {}) if assets else None
        return cls(FlowKind().load(Path(), 1, {}), appearance)


@dataclass(frozen=True)
class Stretch:
    """A window that is read longer than it is judged: `read` has T + `ROOM` steps, T are judged."""

    read: Window
    steps: int

    @property
    def cameras(self) -> tuple[str, ...]:
        """Its cameras."""
        return self.read.cameras

    def lit(self) -> list[int]:
        """Return the cameras with a picture among the judged steps."""
        return np.flatnonzero(self._usable()[:, : self.steps].any(axis=1)).tolist()

    def has_room(self, late: int) -> bool:
        """Tell whether the clip goes on for so many steps after the judged ones."""
        last = self.steps + late - 1
        return last < self._usable().shape[1] and bool(self._usable()[:, last].any())

    def _usable(self) -> Bools:
        return np.asarray(self.read.tensors["mask_rgb"][0].numpy())

    def shown(self, camera: int) -> tuple[Pixels, Bools, Footage]:
        """Return what a camera showed: (L, H, W, 3), where it showed something, and what it is."""
        rgb = self.read.tensors["rgb"][0, camera].permute(0, 2, 3, 1).numpy()
        usable = self._usable()[camera]
        # Frames are counted on the session's clock: two windows that share one damage it alike.
        times = self.read.tensors["t_ns"][0, camera].numpy()
        numbers = tuple(int(t) for t in times // (times[1] - times[0]))
        footage = Footage(self.read.session_id, self.cameras[camera], numbers)
        return np.ascontiguousarray(rgb), usable, footage

    def part(self, camera: int, eyes: Eyes, one: Corruption | None, level: float | None) -> Part:
        """Return what a camera says after damage to its pictures, of the judged steps.

        A camera that is late shows what it will have seen so many steps later.
        """
        rgb, usable, footage = self.shown(camera)
        late = 0
        if one is not None and level is not None:
            if one.name == "time_shift":
                late = int(level)
            elif one.damage is not None:
                rgb, usable = damaged_where_usable(rgb, usable, footage, one, level)
        return seen(rgb, usable, eyes, late, self.steps)

    def window(self, parts: Sequence[Part]) -> Window:
        """Return the judged window that is made of these cameras' parts."""
        read = self.read.tensors
        tensors = {name: read[name] for name in _OF_CAMERAS}
        for name in _OF_SESSION:
            if name in read:
                tensors[name] = read[name]
        for name in ("audio", "mask_audio"):
            if name in read:
                tensors[name] = read[name][:, : self.steps]
        tensors["t_ns"] = read["t_ns"][:, :, : self.steps]
        for name in parts[0]:
            tensors[name] = torch.stack([part[name] for part in parts])[None]
        return replace(self.read, tensors=tensors)


def damaged_where_usable(
    rgb: Pixels, usable: Bools, footage: Footage, one: Corruption, level: float
) -> tuple[Pixels, Bools]:
    """Damage the frames (L, H, W, 3) that are there; those that are not are not looked at."""
    at = np.flatnonzero(usable)
    if not len(at):
        return rgb, usable
    some = Footage(footage.recording, footage.camera, tuple(footage.numbers[k] for k in at))
    found = damage(rgb[at], one, level, some)
    frames, there = rgb.copy(), usable.copy()
    frames[at], there[at] = found.frames, found.usable
    return frames, there


def seen(rgb: Pixels, usable: Bools, eyes: Eyes, late: int, steps: int) -> Part:
    """Compute the views of `steps` steps from step `late` on: tensors (T, ...) and masks (T,)."""
    # One step more, because flow needs the next picture.
    read = slice(late, late + steps + 1)
    small, present = rgb[read], usable[read]
    doubled = {RGB224.name: np.stack([_doubled(one) for one in small])} if eyes.appearance else {}
    clip = clip_of(small, present, doubled)
    said = {"flow": eyes.flow.compute(clip)}
    if eyes.appearance is not None:
        said["appearance"] = eyes.appearance.compute(clip)
    part: Part = {
        "rgb": torch.from_numpy(np.ascontiguousarray(small[:steps].transpose(0, 3, 1, 2))),
        "mask_rgb": torch.from_numpy(present[:steps].copy()),
    }
    for name in SEEN_AGAIN:
        x, mask = read_tensor(name, said, len(small))
        part[name] = torch.from_numpy(np.asarray(x[:steps], np.float32))
        part[f"mask_{name}"] = torch.from_numpy(np.array(mask[:steps], bool))
    return part


def _doubled(picture: Pixels) -> Pixels:
    side = 2 * SIDE
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


@dataclass(frozen=True)
class DamagedSet:
    """Windows of one cell: as the scope says, and with every camera damaged.

    None stands for a window of which the cell cannot be: a lone camera cannot be late, a clip may
    be too short. `whole` is what a search asks with, camera by camera.
    """

    scoped: list[Window | None]
    whole: list[Window | None]


class Undamaged:
    """Stretches with the views seen again, undamaged; makes the damaged windows of each cell."""

    def __init__(self, stretches: Sequence[Stretch], eyes: Eyes) -> None:
        self.stretches, self._eyes = list(stretches), eyes
        self._parts = [
            [one.part(camera, eyes, None, None) for camera in range(len(one.cameras))]
            for one in self.stretches
        ]
        self.windows = [
            one.window(parts) for one, parts in zip(self.stretches, self._parts, strict=True)
        ]

    def damaged(self, one: Corruption, level: float, scope: Scope) -> DamagedSet:
        """Return the windows of one cell."""
        made = [
            self._of(stretch, parts, one, level, scope)
            for stretch, parts in zip(self.stretches, self._parts, strict=True)
        ]
        return DamagedSet([pair[0] for pair in made], [pair[1] for pair in made])

    def _of(
        self, stretch: Stretch, clean: Sequence[Part], one: Corruption, level: float, scope: Scope
    ) -> tuple[Window | None, Window | None]:
        lit = stretch.lit()
        if why_not(stretch, one, level):
            return None, None
        order = [
            k for k in order_of(stretch.read.session_id, stretch.cameras, one.name) if k in lit
        ]
        if one.name == "view_drop":
            gone = order[: dropped_cameras(len(lit), level)]
            parts = [_gone(part) if k in gone else part for k, part in enumerate(clean)]
            return stretch.window(parts), None
        hit = [
            stretch.part(k, self._eyes, one, level) if k in lit else part
            for k, part in enumerate(clean)
        ]
        if scope == "view":
            views = {"rgb", "mask_rgb"}
            hit = [
                {name: (bad if name in views else good)[name] for name in good}
                for good, bad in zip(clean, hit, strict=True)
            ]
        whole = stretch.window(hit)
        if scope != "one":
            return whole, whole
        parts = [hit[k] if k == order[0] else part for k, part in enumerate(clean)]
        return stretch.window(parts), whole


def why_not(stretch: Stretch, one: Corruption, level: float) -> str:
    """Say why a cell cannot be of a window; "" if it can."""
    if not stretch.lit():
        return "no camera has a picture"
    if one.damage is None and len(stretch.lit()) < 2:
        return "one camera alone"
    if one.name == "time_shift" and not stretch.has_room(int(level)):
        return f"a clip ends less than {int(level)} steps after the window"
    return ""


def _gone(part: Mapping[str, Tensor]) -> Part:
    return {
        name: torch.zeros_like(x) if name.startswith("mask_") else x for name, x in part.items()
    }


def stretches(windows: Sequence[Window], steps: int) -> Iterator[Stretch]:
    """Yield windows that were read with `ROOM` more steps as what is judged of them.

    One without thumbnails has nothing to damage and is left out.
    """
    for window in windows:
        if "rgb" in window.tensors and bool(window.tensors["mask_rgb"][0, :, :steps].any()):
            yield Stretch(window, steps)
