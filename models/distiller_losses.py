"""What the distiller is trained by: no labels, the target's own frames are the supervision.

Tensors in, scalars out, in fp32. Two codes of one window, made from two disjoint sets of its
cameras, should agree: InfoNCE (van den Oord et al. 2018, arXiv:1807.03748) over the embeddings of
steps, with the variance and covariance terms of VICReg (Bardes et al. 2022, arXiv:2105.04906) in
its place where they have collapsed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from models.losses import charbonnier, frame_difference
from models.metrics import luma, ssim

if TYPE_CHECKING:
    from models.distiller import Encoded

MOTION_GAIN, MOTION_FULL = 4.0, 0.2
# Negatives are as far in time as this, or of another clip.
NEGATIVE_NS = 400_000_000
TEMPERATURE = 0.1
# 128 numbers of a vector of length 1, spread over the sphere, have a deviation of .088.
COLLAPSED_STD = 0.05
# Two pictures this near show the same: neither is a negative of the other.
STILL = 0.02


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts; the first, motion-weighted Charbonnier, has weight 1."""

    structure: float = 0.1
    gradient: float = 0.05
    cross_view: float = 0.5  # of the targets whose camera was not among the inputs
    contrast: float = 0.1
    consistency: float = 0.1
    rate: float = 0.01  # of a bit a pixel


def motion_weight(truth: Tensor, window: Tensor, present: Tensor) -> Tensor:
    """1 + 4 clip(|x - median| / .2, 0, 1), the median over the window's frames that are there.

    `truth` (B, F, 3, H, W), `window` (B, T, 3, H, W) of the same camera, 0..1, and its mask
    (B, T) -> (B, F, 1, H, W). A fixed camera's background would else be all there is to learn.
    """
    gone = ~present[:, :, None, None, None]
    median = window.float().masked_fill(gone, torch.nan).nanmedian(dim=1).values
    median = torch.where(median.isnan(), truth.float().mean(dim=1), median)
    moved = (truth.float() - median[:, None]).abs().mean(dim=2, keepdim=True)
    return 1 + MOTION_GAIN * (moved / MOTION_FULL).clamp(0, 1)


def gradient_difference(ours: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of the changes from pixel to pixel; (..., H, W)."""
    error = ours.float() - truth.float()
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


def picture_loss(ours: Tensor, truth: Tensor, weight: Tensor, by: LossWeights) -> Tensor:
    """Motion-weighted Charbonnier + structure + gradient + consistency; (B, F, 3, H, W).

    `weight` is `motion_weight`'s; consistency needs F >= 2.
    """
    loss = charbonnier(ours, truth, weight)
    loss = loss + by.structure * (1 - ssim(luma(ours), luma(truth)).mean())
    loss = loss + by.gradient * gradient_difference(ours, truth)
    if ours.shape[1] > 1:
        loss = loss + by.consistency * frame_difference(ours, truth)
    return loss


def still_pairs(pictures: Tensor) -> Tensor:
    """Which of N pictures (N, 3, H, W), 0..1, show the same: (N, N) bool."""
    small = functional.adaptive_avg_pool2d(pictures.float(), 14).flatten(1)
    return torch.cdist(small, small, p=1) / small.shape[1] < STILL


def info_nce(
    ours: Tensor,
    others: Tensor,
    clip: Tensor,
    t_ns: Tensor,
    step_ns: int,
    *,
    usable: Tensor | None = None,
    still: Tensor | None = None,
) -> Tensor:
    """Each of ours should find the same moment among the others; scalar, 0 where none can.

    `ours` and `others` are (N, D) of length 1, made by other cameras at the same N moments: of
    clips `clip` (N,) at `t_ns` (N,). Positive: the same clip, at most a step apart. Negative:
    another clip, or .4 s and more apart, unless `still` (N, N) says that nothing changed.
    `usable` (N,) says which moments both sides saw.
    """
    same = clip[:, None] == clip[None]
    apart = (t_ns[:, None] - t_ns[None]).abs()
    positive = same & (apart <= step_ns)
    negative = ~same | (apart >= NEGATIVE_NS)
    if still is not None:
        negative = negative & ~still
    if usable is not None:
        both = usable[:, None] & usable[None]
        positive, negative = positive & both, negative & both
    with _exactly(ours):
        logits = ours.float() @ others.float().T / TEMPERATURE
    # Every positive against all negatives: log(1 + sum exp(n - p)).
    against = logits.masked_fill(~negative, -torch.inf).logsumexp(dim=1, keepdim=True)
    # Without a negative there is nothing to tell apart, and no gradient of infinities.
    counted = positive & negative.any(dim=1, keepdim=True)
    terms = functional.softplus(against.clamp(min=-1e4) - logits)
    return (terms * counted).sum() / counted.sum().clamp(min=1)


def vicreg(ours: Tensor, others: Tensor) -> Tensor:
    """Keep two sets of embeddings (N, D), N >= 2, alike, spread out and uncorrelated; scalar."""
    loss = (ours.float() - others.float()).square().sum(dim=1).mean()
    width = ours.shape[1]
    for part in (ours.float(), others.float()):
        # Scaled so that vectors spread over the sphere have deviation 1.
        centred = (part - part.mean(dim=0)) * width**0.5
        deviation = (centred.square().mean(dim=0) + 1e-4).sqrt()
        loss = loss + functional.relu(1 - deviation).mean()
        with _exactly(part):
            covariance = centred.T @ centred / max(len(part) - 1, 1)
        beside = covariance - torch.diag(covariance.diagonal())
        loss = loss + 0.04 * beside.square().sum() / width
    return loss


def _exactly(x: Tensor) -> torch.autocast:
    """Context in which products of matrices are fp32, whatever the caller's autocast."""
    return torch.autocast(x.device.type, enabled=False)


def contrast_loss(
    one: Encoded,
    other: Encoded,
    step_ns: int,
    *,
    clip: Tensor | None = None,
    still: Tensor | None = None,
) -> Tensor:
    """InfoNCE between two codes of the same windows, VICReg where embeddings have collapsed.

    `clip` (B,) tells clips apart where windows of a batch share one; `still` is of (B T, B T).
    """
    ours, others = one.steps.flatten(0, 1), other.steps.flatten(0, 1)
    usable = (one.present & other.present).flatten()
    if int(usable.sum()) < 2:
        return ours.sum() * 0
    if bool(ours[usable].detach().std(dim=0).mean() < COLLAPSED_STD):
        return vicreg(ours[usable], others[usable])
    steps = one.present.shape[1]
    if clip is None:
        clip = torch.arange(len(one.present), device=ours.device)
    clips = clip.repeat_interleave(steps)
    t_ns = one.t_ns.flatten()
    return info_nce(ours, others, clips, t_ns, step_ns, usable=usable, still=still)


def distiller_loss(
    frames: Tensor,
    truth: Tensor,
    weight: Tensor,
    crossed: Tensor,
    encoded: Encoded,
    contrast: Tensor,
    by: LossWeights = LossWeights(),
) -> dict[str, Tensor]:
    """Return every term, unweighted, and their `total`.

    `frames`, `truth` (B, F, 3, H, W); `weight` of `motion_weight`; `crossed` (B,) bool says which
    targets' cameras were not among the inputs; `contrast` of `contrast_loss`.
    """
    nothing = frames.sum() * 0
    kept = picture_loss(frames[~crossed], truth[~crossed], weight[~crossed], by)
    across = picture_loss(frames[crossed], truth[crossed], weight[crossed], by)
    share = crossed.float().mean()
    terms = {
        "kept": kept if bool((~crossed).any()) else nothing,
        "cross_view": across if bool(crossed.any()) else nothing,
        "contrast": contrast,
        # Bits for each pixel of one camera's window.
        "rate": encoded.bits.mean() / (encoded.present.shape[1] * truth[0, 0, 0].numel()),
    }
    terms["total"] = (
        (1 - share) * terms["kept"]
        + share * by.cross_view * terms["cross_view"]
        + by.contrast * terms["contrast"]
        + by.rate * terms["rate"]
    )
    return terms
