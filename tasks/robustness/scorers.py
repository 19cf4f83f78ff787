"""What is asked of a distiller under damage, each with its peers: pictures, searches, actions.

Reads windows in memory; writes nothing. Truth is always undamaged: the pictures that should have
been made, the moment that should have been found. A peer is given the same damaged windows.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from models.foreground import foreground_psnr
from models.linear_probe import LinearProbe
from models.metrics import luma, quantise
from models.ranking import chance
from models.resample import resized
from tasks.actions.codes import window_labels
from tasks.codes.camera_codes import camera_codes, own_tensors, seen_cameras
from tasks.damage.rig import dropped_cameras
from tasks.judging.dropout_scores import dropout_scores
from tasks.judging.gallery import Gallery
from tasks.judging.picture_scores import CodedWindow, PictureJudge, Truth, as_tensor, distinct_views
from tasks.judging.retrieval_baselines import pixels
from tasks.judging.retrieval_scores import CHANCE
from tasks.judging.window_baselines import NEIGHBOURS
from tasks.judging.window_score import MODEL
from tasks.windows.features import PcaOfWindows
from tasks.windows.pictures import WindowPictures, backgrounds, judged_steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from catalog.snapshot import Snapshot
    from models.distiller import Distiller
    from models.precision import Precision
    from tasks.robustness.cells import Piece, Scores
    from tasks.windows.pictures import Bytes
    from tasks.windows.sets import Window

    Floats = npt.NDArray[np.float64]
    # What came of each undamaged window; None where the damage cannot be done to it.
    Windows = Sequence[Window | None]

MAJORITY = "majority"


class PictureScorer:
    """Applications *target* and *view*: undamaged pictures, made from codes of damaged ones."""

    def __init__(
        self,
        model: Distiller,
        precision: Precision,
        fit: Sequence[Window],
        clean: Sequence[Window],
        side: int,
    ) -> None:
        """Fit the baselines to training windows.

        Raises:
            ValueError: no training window has a picture.
        """
        self._model, self._precision = model, precision
        self._judge = PictureJudge.fitted(model, fit, side)
        self._shown = [WindowPictures.of(window, side) for window in clean]
        self._views = distinct_views(clean, self._shown)
        self._still = backgrounds(self._shown)

    def score(self, scores: Scores, damaged: Windows) -> None:
        """Add foreground PSNR of the model and its peers, camera by camera."""
        for k, window in enumerate(damaged):
            if window is not None:
                self._window(scores, k, window)

    def _window(self, scores: Scores, k: int, window: Window) -> None:
        clean, view = self._shown[k], self._views[k]
        shown = WindowPictures.of(window, self._judge.side)
        lit = shown.lit()
        if not lit:
            return
        coded = CodedWindow(self._model, window, self._precision, apart=True)
        whole = coded.code()
        for camera in clean.lit():
            at = judged_steps(clean.usable[camera])
            if not len(at):
                continue
            truth = Truth.of(
                clean.frames[camera][at], self._still[clean.session_id, clean.cameras[camera]]
            )
            place = clean.places[camera]
            piece = (window.clip_id, window.first, clean.cameras[camera], 0)

            def add(
                application: str,
                ours: Tensor,
                theirs: Mapping[str, Bytes],
                truth: Truth = truth,
                piece: Piece = piece,
            ) -> None:
                methods = {MODEL: quantise(resized(ours, self._judge.side))}
                methods |= {name: as_tensor(frames) for name, frames in theirs.items()}
                for method, frames in methods.items():
                    value = float(foreground_psnr(luma(frames), truth.luma, truth.moved))
                    scores.add(application, window.session_id, method, piece, value)

            if camera in lit:
                with warnings.catch_warnings():
                    # Of a camera that lost all frames but one there are no neighbours to take the
                    # median of; that peer is not counted here.
                    warnings.simplefilter("ignore", RuntimeWarning)
                    made = self._judge.target.made(shown, camera, at)
                made.pop(NEIGHBOURS)
                add("target", coded.pictures(whole, place, at), made)
            others = [one for one in view if one != camera and one in lit]
            if others and camera in view:
                code = coded.code([shown.places[one] for one in others])
                made = self._judge.view.made(shown, camera, others, at)
                add("view", coded.pictures(code, place, at), made)


class SearchScorer:
    """Application *retrieval*: a camera's damaged window finds the same moment through another."""

    def __init__(
        self,
        model: Distiller,
        precision: Precision,
        fit: Sequence[Window],
        clean: Sequence[Window],
    ) -> None:
        """Index the undamaged windows, and fit linear codes of as many floats as the model's."""
        self._model, self._precision = model, precision
        self._clean = list(clean)
        self._gallery: Gallery | None = None
        if not clean:
            return
        gallery = Gallery.of(clean)
        if (gallery.right & gallery.admitted)[gallery.asks].any():
            self._gallery = gallery
            self._pca = PcaOfWindows.fit(Gallery.of(fit).rows(), model.config.embedding)
            self._indexed = self._codes(gallery)

    def _codes(self, gallery: Gallery) -> dict[str, Floats]:
        rows = gallery.rows()
        return {
            MODEL: gallery.codes(self._model, self._precision),
            "pixels": pixels(rows),
            "pca": self._pca.codes(rows),
        }

    def score(self, scores: Scores, damaged: Windows, *, alone: bool) -> None:
        """Add the average precision of each query.

        With `alone` only the camera that asks is damaged, and what is searched is as it was; else
        that is damaged too.
        """
        gallery = self._gallery
        if gallery is None or not any(window is not None for window in damaged):
            return
        windows = [
            clean if window is None else window
            for clean, window in zip(self._clean, damaged, strict=True)
        ]
        asking = self._codes(
            replace(gallery, windows=windows, tensors=[own_tensors(one) for one in windows])
        )
        found = {
            name: gallery.search(codes, self._indexed[name] if alone else codes)
            for name, codes in asking.items()
        }
        found[CHANCE] = chance(gallery.right[gallery.asks], gallery.admitted[gallery.asks])
        for row, item in enumerate(np.flatnonzero(gallery.asks)):
            number = int(gallery.window[item])
            window = damaged[number]
            if window is None:
                continue
            camera = window.cameras[gallery.camera[item]]
            piece = (window.clip_id, window.first, camera, 1)
            for method, one in found.items():
                value = float(one.precision[row])
                scores.add("retrieval", window.session_id, method, piece, value)


class DropScorer:
    """Application *dropout*: the code of the cameras that are left finds the moment all saw."""

    def __init__(
        self,
        model: Distiller,
        precision: Precision,
        clean: Sequence[Window],
    ) -> None:
        """Score every set of cameras of the undamaged windows, as evaluation does."""
        self._counts = {
            (window.clip_id, window.first): int(
                seen_cameras(model.config.shown(window.tensors)).sum()
            )
            for window in clean
        }
        scored = dropout_scores(model, (), clean, "new_rig", precision) if clean else []
        # By session, method, window and cameras given: the mean over the sets of that many.
        sets: dict[tuple[str, str, tuple[str, int], int], list[float]] = defaultdict(list)
        for one in scored:
            key = (one.session_id, one.method, (one.clip_id, one.first), one.given)
            sets[key].append(one.measures["map"])
        self._means = {key: fmean(values) for key, values in sets.items()}

    def score(self, scores: Scores, level: float | None) -> None:
        """Add the mean average precision of sets without so many cameras; None: of all cameras."""
        for (session, method, place, given), value in self._means.items():
            every = self._counts[place]
            gone = 0 if level is None else dropped_cameras(every, level)
            if given == every - gone:
                scores.add("dropout", session, method, (*place, "", 0), value)


class ActionScorer:
    """Application *action*: a straight line through codes of labelled training windows."""

    def __init__(
        self,
        model: Distiller,
        precision: Precision,
        fit: Sequence[Window],
        clean: Sequence[Window],
        snapshot: Snapshot,
    ) -> None:
        """Fit the probe; `absent` says why there is none."""
        self._model, self._precision = model, precision
        self._labels = window_labels(clean, snapshot)
        taught = [
            (window, label)
            for window, label in zip(fit, window_labels(fit, snapshot), strict=True)
            if label is not None
        ]
        self.absent = ""
        if not taught or not any(self._labels):
            where = "training" if not taught else "held-out"
            self.absent = f"no {where} session has labels"
            return
        names, numbers = np.unique([label for _, label in taught], return_inverse=True)
        self._names = tuple(names.tolist())
        self._most = self._names[int(np.bincount(numbers).argmax())]
        groups = np.unique([window.session_id for window, _ in taught], return_inverse=True)[1]
        codes = np.stack([self._code(window) for window, _ in taught])
        self._probe = LinearProbe.fit(codes, numbers.astype(np.int64), groups.astype(np.int64))

    def _code(self, window: Window) -> Floats:
        every = np.ones((1, len(window.cameras)), bool)
        codes = camera_codes(self._model, own_tensors(window), every, self._precision)
        return np.asarray(codes[0])

    def score(self, scores: Scores, damaged: Windows) -> None:
        """Add 1 for each window that is called what it is called, 0 for each that is not."""
        if self.absent:
            return
        for window, label in zip(damaged, self._labels, strict=True):
            if window is None or label is None:
                continue
            said = self._names[int(self._probe.said(self._code(window)[None])[0])]
            piece = (window.clip_id, window.first, "", len(window.cameras))
            for method, told in ((MODEL, said), (MAJORITY, self._most)):
                scores.add("action", window.session_id, method, piece, float(told == label))
