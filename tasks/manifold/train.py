"""Train the encoders of a manifold's views: from a row of a view to its moment's place.

Arrays in, a module out; a generator of progress. Reads and writes nothing. Equal rows, seed,
threads and CPU give equal weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.linear_codes import PrincipalComponents
from models.manifold_encoder import ViewEncoder
from tasks.training.schedule import learning_rate_factor

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy.typing as npt

    from models.manifold_graph import Graph

    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EncoderTraining:
    """How a view's encoder is trained; losses are in units of the coordinates' variance.

    `stress` weighs how distances to landmarks differ from geodesic ones, `contrast` how well a
    node tells its moment from others' by its synchronised nodes.
    """

    steps: int = 600
    batch: int = 128  # moments
    components: int = 96
    hidden: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    stress: float = 0.1
    contrast: float = 2.0
    temperature: float = 0.2
    noise: float = 0.3  # added to components, of variance 1 on average
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """Where moments lie, (M, d); geodesic distances (N, L) of nodes to landmarks (L,), if known."""

    places: Floats
    landmarks: npt.NDArray[np.int64] | None = None
    away: npt.NDArray[np.float32] | None = None


def train_view_encoders(
    rows: Sequence[npt.NDArray[np.floating]],
    graph: Graph,
    target: Target,
    how: EncoderTraining,
    losses: list[float],
) -> Generator[float, None, list[ViewEncoder]]:
    """Learn from all nodes of a graph, whose rows (N_v, D_v) are as they will be given later.

    Yields the loss of each step, which it appends to `losses`, and returns the views' encoders.
    """
    torch.manual_seed(how.seed)
    rng = np.random.default_rng(how.seed)
    places = torch.from_numpy(target.places.astype(np.float32))
    unit = float(places.var(dim=0, unbiased=False).sum().clamp(min=1e-12))
    encoders = [_encoder(one, places.shape[1], how) for one in rows]
    pieces = [
        encoder.components(torch.from_numpy(np.asarray(one, np.float32)))
        for encoder, one in zip(encoders, rows, strict=True)
    ]
    net = nn.ModuleList(encoders).train()
    parameters = [x for x in net.parameters() if x.requires_grad]
    optimiser = torch.optim.AdamW(parameters, how.learning_rate, weight_decay=how.weight_decay)
    pick = _Picker(graph, rng)
    for step in range(how.steps):
        for group in optimiser.param_groups:
            group["lr"] = how.learning_rate * learning_rate_factor(step, how.steps, 0.05)
        chosen = rng.choice(graph.moments, min(how.batch, graph.moments), replace=False)
        found, nodes, moments = [], [], []
        for v, encoder in enumerate(encoders):
            at, where = pick(v, chosen)
            if len(at):
                seen = pieces[v][at] + how.noise * torch.randn(len(at), pieces[v].shape[1])
                found.append(encoder.kept(seen))
                nodes.append(at + graph.cuts[v].start)
                moments.append(where)
        y, node, moment = torch.cat(found), np.concatenate(nodes), np.concatenate(moments)
        loss = ((y - places[moment]) ** 2).sum(dim=1).mean() / unit
        if how.stress and target.away is not None and target.landmarks is not None:
            stress = _stress(y, node, places, target.landmarks, target.away)
            loss = loss + how.stress * stress / unit
        if how.contrast:
            loss = loss + how.contrast * _contrast(y, moment, how.temperature)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        optimiser.step()
        losses.append(float(loss.detach()))
        yield losses[-1]
    return [encoder.eval() for encoder in encoders]


class _Picker:
    """Gives a node of a view for each of some moments, by lot where there are several."""

    def __init__(self, graph: Graph, rng: np.random.Generator) -> None:
        self._rng, self._order, self._ends = rng, [], []
        for cut in graph.cuts:
            which = graph.moment[cut]
            self._order.append(np.argsort(which, kind="stable"))
            self._ends.append(np.cumsum(np.bincount(which, minlength=graph.moments)))

    def __call__(
        self, view: int, moments: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return nodes by their place in the view, and the moments of them that it shows."""
        ends = self._ends[view]
        count = np.diff(ends, prepend=0)[moments]
        shown = moments[count > 0]
        step = (self._rng.random(len(shown)) * count[count > 0]).astype(np.int64)
        return self._order[view][ends[shown] - 1 - step], shown


def _encoder(rows: npt.NDArray[np.floating], dims: int, how: EncoderTraining) -> ViewEncoder:
    """Return an untrained encoder whose components are those of the rows."""
    fitted = PrincipalComponents.fit(np.asarray(rows, np.float64), how.components)
    count = max(1, len(fitted.axes))
    scale = 1 / np.sqrt(max(float(fitted.variances.sum()) / count, 1e-12))
    encoder = ViewEncoder(rows.shape[1], count, how.hidden, dims)
    encoder.mean.copy_(torch.from_numpy(fitted.mean.astype(np.float32)))
    if len(fitted.axes):
        encoder.axes.copy_(torch.from_numpy((fitted.axes * scale).astype(np.float32)))
    return encoder


def _stress(
    y: Tensor,
    node: npt.NDArray[np.int64],
    places: Tensor,
    landmarks: npt.NDArray[np.int64],
    away: npt.NDArray[np.float32],
) -> Tensor:
    """Mean squared difference of distances to landmarks, here and along the graph."""
    apart = torch.cdist(y, places[landmarks])
    return functional.mse_loss(apart, torch.from_numpy(away[node]))


def _contrast(y: Tensor, moment: npt.NDArray[np.int64], temperature: float) -> Tensor:
    """InfoNCE over nodes: those of one moment are alike, the others of the batch are not."""
    unit = functional.normalize(y, dim=1)
    near = unit @ unit.T / temperature
    own = torch.eye(len(y), dtype=torch.bool)
    same = torch.from_numpy(moment[:, None] == moment) & ~own
    near = near.masked_fill(own, -torch.inf)
    told = same.any(dim=1)
    if not told.any():
        return y.sum() * 0
    log = near.log_softmax(dim=1)
    likely = torch.logsumexp(log.masked_fill(~same, -torch.inf)[told], dim=1)
    return -(likely - same[told].sum(dim=1).log()).mean()
