"""One step of training the distiller: what is done to a batch of windows, and the losses of it.

Tensors in, scalars out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from models.conditioning import MOST_CAMERAS
from models.distiller_losses import contrast_loss, distiller_loss, still_pairs
from models.view_prediction import WIDTHS
from tasks.distiller.augmentation import augmented
from tasks.distiller.drop_law import corrupted, dropped
from tasks.distiller.targets import draw_halves, draw_targets, withheld

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from torch import Tensor

    from models.distiller import Distiller, Encoded, Query
    from models.view_prediction import ViewPredictor
    from tasks.distiller.presets import DistillerPreset
    from tasks.distiller.targets import Targets

    Windows = Mapping[str, Tensor]


def step_losses(
    net: Distiller,
    head: ViewPredictor,
    windows: Windows,
    preset: DistillerPreset,
    rng: np.random.Generator,
    step_ns: int,
    device: torch.device,
) -> dict[str, Tensor]:
    """Return every term, unweighted, and their `total`, of windows that all have a picture.

    The extractor runs once; codes are made thrice: of all inputs for the target, and of two
    disjoint halves of the cameras, which should agree.
    """
    whole = augmented(windows, rng) | {"slot": _slots(windows, rng)}
    targets = draw_targets(whole, preset.targets, net.config.side, preset.crossed_share, rng)
    inputs = corrupted(dropped(withheld(whole, targets), rng), preset.corrupted_share, rng)
    halves = draw_halves(inputs, rng)
    still = still_pairs(_one_camera(whole))
    if device.type != "cpu":
        whole, inputs = ({k: x.to(device) for k, x in w.items()} for w in (whole, inputs))
    seen = net.see(inputs)
    encoded = net.combine(seen, inputs)
    frames = net.decode(encoded.symbols, encoded.t_ns, _on(targets, device))
    contrast = encoded.embedding.sum() * 0
    if bool(halves[1].any()):
        one, other = (net.combine(seen, inputs, half.to(device)) for half in halves)
        contrast = contrast_loss(one, other, step_ns, still=still.to(device))
    terms = distiller_loss(
        frames,
        targets.truth.to(device),
        targets.weight.to(device),
        targets.crossed.to(device),
        encoded,
        contrast,
    )
    terms["prediction"] = _prediction(head, encoded, whole, inputs, targets)
    terms["total"] = terms.pop("total") + preset.prediction * terms["prediction"]
    return terms


def _slots(windows: Windows, rng: np.random.Generator) -> Tensor:
    """Give the cameras of each window slots by chance: a slot means nothing but "that one"."""
    batch, cameras = windows["camera_known"].shape
    drawn = [rng.permutation(MOST_CAMERAS)[:cameras] for _ in range(batch)]
    return torch.stack([torch.from_numpy(one) for one in drawn])


def _one_camera(windows: Windows) -> Tensor:
    """One camera's pictures of every step, small, 0..1: (B T, 3, h, w)."""
    rgb, mask = windows["rgb"], windows["mask_rgb"]
    camera = mask.sum(dim=2).argmax(dim=1)
    rows = torch.arange(len(rgb))
    return rgb[rows, camera].flatten(0, 1)[..., ::4, ::4].float() / 255


def _on(targets: Targets, device: torch.device) -> Query:
    return targets.query._replace(
        **{k: x.to(device) for k, x in targets.query._asdict().items() if x is not None}
    )


def _prediction(
    head: ViewPredictor, encoded: Encoded, whole: Windows, inputs: Windows, targets: Targets
) -> Tensor:
    """Predict the target camera's views at the target's instants that the inputs lack."""
    rows = torch.arange(len(targets.camera))[:, None].expand_as(targets.steps).flatten()
    camera = targets.camera[rows]
    step = targets.steps.flatten()
    truth, masks = {}, {}
    for name in WIDTHS:
        if name in whole:
            truth[name] = whole[name][rows, camera, step]
            had, has = (w[f"mask_{name}"][rows, camera, step] for w in (whole, inputs))
            masks[name] = had & ~has
    query = targets.query
    told = head(
        encoded.latents[rows, step],
        query.camera[rows].to(encoded.latents.device),
        query.known[rows].to(encoded.latents.device),
        whole["slot"][rows, camera],
    )
    return head.loss(told, truth, masks)
