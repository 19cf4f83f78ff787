"""What a code must beat in finding a moment through another camera: fitted on training windows.

Reads windows; writes nothing. Every method gives each item a vector to ask with and one to be
found by; they are the same but for canonical correlation, whose two blocks are "the camera that
asks" and "the camera that answers".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from infra.observability import log_facts
from models.extractor import FRAME_VIEWS
from models.linear_codes import CanonicalCorrelation
from tasks.judging.gallery import Gallery
from tasks.windows.features import PcaOfWindows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from models.precision import Precision
    from models.window_encoder import WindowEncoder
    from tasks.windows.features import Rows
    from tasks.windows.sets import Window

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

# Fewer pairs of cameras than this say nothing of how cameras go together.
LEAST_PAIRS = 16
# Windows of several cameras on which a single view is chosen: each costs one pass a view.
CHOSEN_ON = 48
# The frozen network's appearance, averaged over the window: the code of one view that is not ours.
FROZEN = "appearance_mean"


class Vectors(NamedTuple):
    """What N items ask with and what they are found by: (N, D) each."""

    asking: Floats
    answering: Floats


def pixels(rows: Rows) -> Floats:
    """Return grey thumbnails of 16 x 16 over all steps, less their mean: (N, T 256)."""
    x, known = rows["rgb"]
    return np.where(known[:, None], x - x.mean(axis=1, keepdims=True), 0.0)


def camera_pairs(gallery: Gallery) -> tuple[Ints, Ints]:
    """Return the items of each ordered pair of cameras of one window, (P,) and (P,)."""
    same = gallery.window[:, None] == gallery.window
    one, other = np.nonzero(same & ~np.eye(len(same), dtype=bool))
    return one, other


def linear_peers(fit: Gallery, judged: Gallery, count: int) -> dict[str, Vectors]:
    """Return `pca` and `mcca` of the judged items, of at most `count` floats each.

    PCA is of all views of the training items. MCCA goes on from it, with pairs of cameras of one
    window, each in both orders, as its two blocks; dimensions are weighted by their correlation.
    Where training has fewer than `LEAST_PAIRS` pairs there is no telling how cameras go together,
    and `mcca` is `pca`: scored as it is, and logged.

    Raises:
        ValueError: no view is there in two training items.
    """
    rows = fit.rows()
    components = PcaOfWindows.fit(rows, count)
    plain = components.codes(judged.rows())
    one, other = camera_pairs(fit)
    if len(one) < 2 * LEAST_PAIRS:
        log_facts("mcca_is_pca", pairs=len(one) // 2, least=LEAST_PAIRS)
        return {"pca": Vectors(plain, plain), "mcca": Vectors(plain, plain)}
    trained = components.codes(rows)
    there = np.ones((len(one), 2), bool)
    joint = CanonicalCorrelation.fit([trained[one], trained[other]], there, count)
    weight = np.maximum(joint.strength, 0.0)
    asking, answering = (joint.codes(block, plain) * weight for block in (0, 1))
    return {"pca": Vectors(plain, plain), "mcca": Vectors(asking, answering)}


def single_view(
    model: WindowEncoder, fit: Sequence[Window], judged: Gallery, precision: Precision
) -> Vectors:
    """Return the judged items by the one view that finds most in training."""
    chosen = best_view(model, fit, precision)
    found = by_view(model, judged, chosen, precision)
    return Vectors(found, found)


def best_view(model: WindowEncoder, fit: Sequence[Window], precision: Precision) -> str:
    """Return the view with the highest mean average precision on training windows.

    Candidates are the model's own codes of one view, and `FROZEN`. Where no training window has an
    answer the frozen vector is taken if there is one, else the first view: nothing was chosen on
    what is judged.
    """
    there, shown = fit[0].tensors, model.config.views
    candidates = [name for name in FRAME_VIEWS if name in there and name in shown]
    if "appearance" in there or not candidates:
        candidates.insert(0, FROZEN)
    several = [window for window in fit if len(window.cameras) > 1]
    if len(several) < 2:
        return candidates[0]
    at = np.unique(np.linspace(0, len(several) - 1, CHOSEN_ON).round().astype(int))
    gallery = Gallery.of([several[k] for k in at])
    found = {}
    if gallery.asks.any():
        for name in candidates:
            scored = gallery.search(by_view(model, gallery, name, precision))
            if scored.answerable:
                found[name] = scored.figures()["map"]
    chosen = max(candidates, key=lambda name: found.get(name, -1.0))
    log_facts("single_view", view=chosen, map=found.get(chosen), queries=int(gallery.asks.sum()))
    return chosen


def by_view(model: WindowEncoder, gallery: Gallery, view: str, precision: Precision) -> Floats:
    """Return items by one view: the model's code of it, or `FROZEN`."""
    if view != FROZEN:
        return gallery.codes(model, precision, (view,))
    found = np.zeros((len(gallery.window), 96))
    for k, (number, camera) in enumerate(zip(gallery.window, gallery.camera, strict=True)):
        tensors = gallery.tensors[number]
        x, mask = (tensors[name][0, camera] for name in ("appearance", "mask_appearance"))
        if bool(mask.any()):
            found[k] = torch.mean(x[mask].double(), dim=(0, 2, 3)).numpy()
    return found
