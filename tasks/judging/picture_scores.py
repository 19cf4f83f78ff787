"""Applications *target* and *view*: pictures made from codes, beside those of the baselines.

Reads windows; writes nothing. The truth is a camera's thumbnail; all methods are judged at the
distiller's size, rounded to 8 bits. The foreground is where the truth differs from what its camera
shows most of the time, over all windows of the session that there are. A camera that shows what
another shows is no other camera: of copies the first is a view, the rest are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.distiller import Query
from models.foreground import foreground_psnr, motion_mask
from models.haarpsi import haarpsi
from models.metrics import luma, psnr, quantise, ssim
from models.precision import autocast
from models.resample import resized
from tasks.judging.window_baselines import TargetBaselines, ViewBaselines, code_floats
from tasks.judging.window_score import MODEL, WindowScore
from tasks.windows.moments import SharedPictures
from tasks.windows.pictures import STEPS, WindowPictures, backgrounds, judged_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from models.distiller import Distiller, Encoded
    from models.precision import Precision
    from tasks.judging.window_score import Application, Setting
    from tasks.windows.pictures import Bytes, Ints
    from tasks.windows.sets import Window

# The static camera: its median over all windows of its session that there are. In the foreground
# it scores what knowing nothing of it scores.
STATIC = "median"

Backgrounds = dict[tuple[str, str], "Bytes"]


class CodedWindow:
    """One window, seen once; codes of some of its cameras, and pictures made from them."""

    def __init__(
        self, model: Distiller, window: Window, precision: Precision, *, apart: bool = False
    ) -> None:
        """With `apart` no camera is told what was computed from the pictures of another."""
        self._model, self._precision = model, precision
        self._tensors = without_stereo(window.tensors) if apart else window.tensors
        with torch.inference_mode(), autocast(precision):
            self._seen = model.see(self._tensors)

    @property
    def cameras(self) -> Tensor:
        """Which cameras any view is there of: (V,) bool."""
        return self._seen.present[0].any(dim=1)

    def code(self, places: Sequence[int] | None = None) -> Encoded:
        """Return the code of all cameras, or of those at some places in the window."""
        cameras = None
        if places is not None:
            cameras = torch.zeros(1, len(self.cameras), dtype=torch.bool)
            cameras[:, list(places)] = True
        with torch.inference_mode(), autocast(self._precision):
            return self._model.combine(self._seen, self._tensors, cameras)

    def pictures(self, code: Encoded, place: int, steps: Ints) -> Tensor:
        """Return what the camera at a place would have taken: (F, 3, side, side), 0..1, 8 bits.

        What is not a number is black, and judged so.
        """
        w = self._tensors
        at = w["t_ns"][:, place][:, torch.from_numpy(steps)]
        slot = w["slot"][:, place] if "slot" in w else None
        query = Query(w["camera"][:, place], w["camera_known"][:, place], at, slot)
        with torch.inference_mode(), autocast(self._precision):
            frames = self._model.decode(code.symbols, code.t_ns, query)[0]
        return quantise(frames.float().nan_to_num(0.0, posinf=1.0, neginf=0.0))


@dataclass(frozen=True, eq=False)
class PictureJudge:
    """Baselines fitted on training windows, and the pictures of those."""

    fit: tuple[WindowPictures, ...]
    target: TargetBaselines
    view: ViewBaselines
    side: int

    @classmethod
    def fitted(
        cls, model: Distiller, fit: Sequence[Window], side: int | None = None
    ) -> PictureJudge:
        """Fit every baseline, with as many floats as the model's code of a window has numbers.

        Pictures are judged at the model's size, or at another `side`: models of unlike sizes are
        compared at one.

        Raises:
            ValueError: no training window has a picture.
        """
        side = side or model.config.side
        shown = tuple(one for w in fit if (one := WindowPictures.of(w, side)).lit())
        if not shown:
            raise ValueError("pictures are judged beside baselines, which need training windows")
        floats = code_floats(model.config, shown[0].frames.shape[1])
        return cls(shown, TargetBaselines(shown, floats), ViewBaselines(shown, floats), side)

    def scores(
        self,
        model: Distiller,
        judged: Sequence[Window],
        setting: Setting,
        precision: Precision,
        *,
        steps: int = STEPS,
    ) -> Iterator[WindowScore]:
        """Score the model and every baseline on each camera of each window, at `steps` instants.

        Application `target` has the code of all cameras, `view` that of all but the one made.
        """
        model.eval()
        pictures = [WindowPictures.of(window, self.side) for window in judged]
        sessions = {window.session_id for window in judged}
        still = backgrounds([*pictures, *(o for o in self.fit if o.session_id in sessions)])
        views = distinct_views(judged, pictures)
        for window, shown, view in zip(judged, pictures, views, strict=True):
            coded = CodedWindow(model, window, precision)
            apart = CodedWindow(model, window, precision, apart=True) if len(view) > 1 else coded
            whole = coded.code()
            for camera in shown.lit():
                at = judged_steps(shown.usable[camera], steps)
                if not len(at):
                    continue
                place = shown.places[camera]
                background = still[shown.session_id, shown.cameras[camera]]
                truth = Truth.of(shown.frames[camera][at], background)
                ours = self._pictures(coded, whole, place, at)
                made = self.target.made(shown, camera, at)
                made[STATIC] = np.repeat(background[None], len(at), axis=0)
                rows = _Rows(setting, window, shown.cameras[camera], truth)
                yield from rows.of("target", int(coded.cameras.sum()), ours, made)
                others = [k for k in view if k != camera]
                if others and camera in view:
                    code = apart.code([shown.places[k] for k in others])
                    ours = self._pictures(apart, code, place, at)
                    made = self.view.made(shown, camera, others, at)
                    yield from rows.of("view", len(others), ours, made)

    def _pictures(self, coded: CodedWindow, code: Encoded, place: int, steps: Ints) -> Tensor:
        """Return a model's pictures at the size that is judged, 8 bits."""
        return quantise(resized(coded.pictures(code, place, steps), self.side))


@dataclass(frozen=True, eq=False)
class _Rows:
    """Makes the rows of one camera of one window."""

    setting: Setting
    window: Window
    camera: str
    truth: Truth

    def of(
        self, application: Application, given: int, ours: Tensor, theirs: Mapping[str, Bytes]
    ) -> Iterator[WindowScore]:
        """Score the model's pictures and those of each baseline."""
        methods = {MODEL: ours} | {name: as_tensor(frames) for name, frames in theirs.items()}
        for method, frames in methods.items():
            yield WindowScore.of(
                self.window,
                setting=self.setting,
                application=application,
                method=method,
                camera_id=self.camera,
                given=given,
                measures=self.truth.measures(frames),
            )


@dataclass(frozen=True, eq=False)
class Truth:
    """True pictures (F, 3, side, side) in 0..1, their luma, and where something moves in it."""

    rgb: Tensor
    luma: Tensor
    moved: Tensor

    @classmethod
    def of(cls, frames: Bytes, still: Bytes) -> Truth:
        """Take frames (F, 3, side, side) and the camera's median picture (3, side, side)."""
        rgb = as_tensor(frames)
        grey = luma(rgb)
        return cls(rgb, grey, motion_mask(grey, luma(as_tensor(still))))

    def measures(self, ours: Tensor) -> dict[str, float]:
        """Return foreground PSNR over all frames (none where nothing moves), means of the rest."""
        grey = luma(ours)
        return {
            "fg_psnr": float(foreground_psnr(grey, self.luma, self.moved)),
            "psnr": float(psnr(grey, self.luma).mean()),
            "ssim": float(ssim(grey, self.luma).mean()),
            "haarpsi": float(haarpsi(ours, self.rgb).mean()),
        }


def distinct_views(
    windows: Sequence[Window], pictures: Sequence[WindowPictures]
) -> list[list[int]]:
    """Return of each window the cameras (as its pictures have them) that are no other's copy."""
    shared = SharedPictures.of(windows)
    found = []
    for window, shown in zip(windows, pictures, strict=True):
        distinct = shared.distinct_cameras(window, window.tensors)
        found.append([k for k in shown.lit() if distinct[shown.places[k]]])
    return found


def without_stereo(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a window's tensors without depth that may come from other cameras' pictures.

    In a window of several calibrated cameras depth may be of the plane sweep or of pairs: a code
    of three cameras would know something of what the fourth saw.
    """
    found = dict(tensors)
    if "mask_depth" in found and int(found["camera_known"].sum()) > 1:
        found["mask_depth"] = torch.zeros_like(found["mask_depth"])
    return found


def as_tensor(frames: Bytes) -> Tensor:
    """Bytes -> 0..1."""
    return torch.from_numpy(np.ascontiguousarray(frames)).float() / 255
