"""Judge a depth network on rendered scenes it never saw, beside a plane and a ramp.

Renders the held-out scenes; reads and writes nothing. The network and the ramp are fitted to the
truth by scale and shift of the inverse, picture by picture; the plane knows the median depth.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from tasks.depth.evaluation import MODEL, DepthEvaluation, DepthScore
from tasks.depth.scenes import HELDOUT_FROM, SIDE, DepthViews, Renderer, render_views
from tasks.depth.scores import depth_errors, fitted, judged, plane_at_median, ramp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from models.depth import DepthNet

HELDOUT_SCENES, HELDOUT_VIEWS = 32, 4
# A picture of which fewer cells are nearer than the sky says nothing.
_LEAST_JUDGED = 40
_BATCH = 32


def heldout_views(renderers: Sequence[Renderer]) -> dict[Renderer, DepthViews]:
    """Render the held-out scenes, about 4 s a renderer on one core.

    Raises:
        RendererMissingError: as `render_views`.
    """
    numbers = range(HELDOUT_FROM, HELDOUT_FROM + HELDOUT_SCENES)
    return {name: render_views(name, numbers, HELDOUT_VIEWS) for name in renderers}


def evaluate_depth(model: DepthNet, heldout: Mapping[Renderer, DepthViews]) -> DepthEvaluation:
    """Score the network and every baseline on every scene.

    Raises:
        MissingBaselineError: if there is no scene.
    """
    scores: list[DepthScore] = []
    for renderer, views in heldout.items():
        answers = infer(model, views.rgb)[:, 0]
        for scene in np.unique(views.scenes):
            scores += _scene_scores(renderer, int(scene), views, answers)
    return DepthEvaluation(tuple(scores))


@torch.inference_mode()
def infer(model: DepthNet, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Pictures (N, 112, 112, 3) -> inverse depth up to scale and shift and log error (N, 2, h, w).

    In fp32.
    """
    model.eval()
    found = [
        model(torch.from_numpy(rgb[at : at + _BATCH]).permute(0, 3, 1, 2).float() / 255)
        for at in range(0, len(rgb), _BATCH)
    ]
    return np.asarray(torch.cat(found).numpy(), np.float32)


def _scene_scores(
    renderer: str, scene: int, views: DepthViews, answers: npt.NDArray[np.float32]
) -> Iterator[DepthScore]:
    pictures = [
        k
        for k in np.flatnonzero(views.scenes == scene)
        if judged(views.inverse[k]).sum() >= _LEAST_JUDGED
    ]
    if not pictures:
        return
    errors: dict[str, list[tuple[float, float]]] = {MODEL: [], "plane": [], "ramp": []}
    for k in pictures:
        truth = views.inverse[k]
        errors[MODEL].append(depth_errors(fitted(answers[k], truth), truth))
        errors["plane"].append(depth_errors(plane_at_median(truth), truth))
        errors["ramp"].append(depth_errors(ramp(truth), truth))
    for method, found in errors.items():
        abs_rel, delta = (fmean(one[k] for one in found) for k in (0, 1))
        yield DepthScore(renderer, scene, method, len(pictures), abs_rel, delta)


def depth_picture(model: DepthNet, heldout: Mapping[Renderer, DepthViews]) -> npt.NDArray[np.uint8]:
    """Return a picture to judge by: six pictures of each renderer, the truth, ours below."""
    rows = []
    for views in heldout.values():
        chosen = np.linspace(0, len(views.rgb) - 1, 6).round().astype(int)
        answers = infer(model, views.rgb[chosen])[:, 0]
        columns = []
        for k, answer in zip(chosen, answers, strict=True):
            truth = views.inverse[k]
            top = max(float(np.quantile(truth, 0.98)), 1e-6)
            maps = [np.clip(m / top, 0, 1) * 255 for m in (truth, fitted(answer, truth))]
            shown = [
                cv2.resize(m.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
                for m in maps
            ]
            columns.append(np.vstack([views.rgb[k], *(np.dstack([m] * 3) for m in shown)]))
        rows.append(np.hstack(columns))
    return np.vstack(rows).astype(np.uint8)
