"""What the student is taught by: its teacher's embeddings, their angles, and its maps.

Tensors in, scalars out, in fp32. Nothing here needs a label. The teacher's side carries no
gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.distiller_losses import COLLAPSED_STD, info_nce, vicreg
from models.student import unit

if TYPE_CHECKING:
    from models.student import StudentCode

MASKED = 0.5  # of a map's cells


@dataclass(frozen=True)
class TeachingWeights:
    """How much each term counts; the cosine of embeddings has weight 1."""

    centred: float = 1.0
    gram: float = 1.0
    tokens: float = 0.5


def cosine_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - cosine, the mean over N pairs of (N, D), both of length 1; scalar."""
    return (1 - (student.float() * teacher.detach().float()).sum(dim=1)).mean()


def gram_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared Frobenius distance of the two cosine Gram matrices, divided by B^2.

    Both are (B, D) of length 1, any D; the teacher's side carries no gradient. Geometry-preserving
    distillation needs angles, not coordinates (Park et al. 2019, arXiv:1904.05068).

    Raises:
        ValueError: if the batch sizes differ.
    """
    if len(student) != len(teacher):
        raise ValueError(f"{len(student)} of the student, {len(teacher)} of the teacher")
    with torch.autocast(student.device.type, enabled=False):
        ours, theirs = (x.float() @ x.float().T for x in (student, teacher.detach()))
    return (ours - theirs).square().mean()


class MaskedTokens(nn.Module):
    """A head of training: the teacher's map from the student's, of which half the cells are hidden.

    After masked generative distillation (Yang et al. 2022, arXiv:2205.01529). The teacher's map is
    made of views that the student lacks, so it must look for what they would say.
    """

    def __init__(self, channels: int, taught: int, cells: int) -> None:
        """From maps of `channels` to those of `taught` channels, `cells` a side."""
        super().__init__()
        self.cells = cells
        self.hidden = nn.Parameter(torch.randn(channels) * 0.02)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, taught, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, channels, g, g) -> (N, taught, cells, cells). Torch's own seed hides the cells."""
        gone = torch.rand(len(maps), 1, *maps.shape[2:], device=maps.device) < MASKED
        x = torch.where(gone, self.hidden[:, None, None].to(maps.dtype), maps)
        x = functional.relu(self.first(x))
        told: Tensor = self.last(functional.interpolate(x, size=(self.cells, self.cells)))
        return told

    def loss(self, maps: Tensor, teacher: Tensor) -> Tensor:
        """Mean squared distance to the teacher's maps (N, taught, cells, cells); scalar.

        Each cell of the teacher has mean 0 and variance 1 over its channels.
        """
        truth = teacher.detach().float().movedim(1, -1)
        truth = functional.layer_norm(truth, truth.shape[-1:])
        return functional.mse_loss(self(maps).float().movedim(1, -1), truth)


def taught_loss(
    code: StudentCode,
    steps: Tensor,
    maps: Tensor,
    head: MaskedTokens,
    by: TeachingWeights = TeachingWeights(),
) -> dict[str, Tensor]:
    """Return every term, unweighted, and their `total`.

    `steps` (B, T, E) are the teacher's embeddings of the same windows, made of all cameras and
    views: what each camera should say by itself. `maps` (N, C, cells, cells) are the teacher's of
    the N pictures of `code.there`.
    """
    rows = code.there.nonzero()
    ours, theirs = code.each[code.there], steps[rows[:, 0], rows[:, 2]]
    # What all embeddings of the teacher share is learned in a few steps and hides the rest: of one
    # of preset ci the mean has length .99, and any student that says it has a cosine of .98.
    middle = theirs.detach().mean(dim=0)
    apart = [unit(x.float() - middle) for x in (ours, theirs)]
    terms = {
        "cosine": cosine_loss(ours, theirs),
        "centred": cosine_loss(*apart),
        "gram": gram_loss(*apart),
        "tokens": head.loss(code.maps, maps),
    }
    terms["total"] = (
        terms["cosine"]
        + by.centred * terms["centred"]
        + by.gram * terms["gram"]
        + by.tokens * terms["tokens"]
    )
    return terms


def untaught_loss(
    one: StudentCode, other: StudentCode, t_ns: Tensor, step_ns: int, still: Tensor
) -> dict[str, Tensor]:
    """InfoNCE between two looks at the same windows; VICReg where embeddings have collapsed.

    What a net of the same size learns by without a teacher: the looks are of other cameras, or of
    one camera cut and coloured otherwise. `t_ns` is (B, T), `still` (B T, B T) of `still_pairs`.
    """
    usable = (one.present & other.present).flatten()
    ours, theirs = (code.steps.flatten(0, 1) for code in (one, other))
    if int(usable.sum()) < 2:
        loss = ours.sum() * 0
    elif bool(ours[usable].detach().std(dim=0).mean() < COLLAPSED_STD):
        loss = vicreg(ours[usable], theirs[usable])
    else:
        clip = torch.arange(len(t_ns), device=ours.device).repeat_interleave(t_ns.shape[1])
        loss = info_nce(ours, theirs, clip, t_ns.flatten(), step_ns, usable=usable, still=still)
    return {"contrast": loss, "total": loss}
