"""Make the encoder of a manifold: read it off by each method, train, validate, take the best.

Arrays in, a module out; a generator of losses. Reads and writes nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from infra.observability import log_facts
from models.manifold import fit_manifold
from models.manifold_encoder import ManifoldConfig, ManifoldEncoder
from tasks.manifold.train import EncoderTraining, Target, train_view_encoders
from tasks.manifold.validation import cross_camera_precision, validation_split

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from models.manifold_graph import Graph
    from tasks.manifold.material import ManifoldRows
    from tasks.manifold.presets import ManifoldPreset

# Methods whose coordinates mean distances, not directions: a cosine needs a lift to see them.
_METRIC = ("isomap", "mds")


@dataclass(frozen=True, slots=True)
class MadeManifold:
    """The encoder, and how it came about.

    `validation` has the mean average precision of each method's encoder in validation, nothing
    where no window of validation has two cameras; `losses` are of each step of the last training;
    `graph` are facts of its graph: nodes, moments, components, constant views, duplicates.
    """

    encoder: ManifoldEncoder
    validation: dict[str, float]
    losses: list[float]
    graph: dict[str, float]
    seconds: float


class _Trained(NamedTuple):
    encoder: ManifoldEncoder
    losses: list[float]
    graph: Graph


def make_manifold(rows: ManifoldRows, preset: ManifoldPreset) -> Iterator[float | MadeManifold]:
    """Yield the loss of each step, of `steps_of(preset)`, and at last the encoder.

    Raises:
        NothingToLearnError, NonFiniteFeaturesError: see `ManifoldRows.graph`.
    """
    began = time.monotonic()
    validation: dict[str, float] = {}
    if len(preset.methods) > 1:
        early, late = validation_split(rows)
        learned, judged = rows.of(early), rows.of(late)
        for method in preset.methods:
            tried = yield from _trained(learned, preset, method)
            score = cross_camera_precision(judged, tried.encoder, preset.window_steps)
            if score is not None:
                validation[method] = score
    chosen = max(preset.methods, key=lambda name: validation.get(name, -1.0))
    made = yield from _trained(rows, preset, chosen)
    facts = {
        "graph.nodes": float(len(made.graph.moment)),
        "graph.moments": float(made.graph.moments),
        "graph.components": float(made.graph.components),
        "graph.constant_views": float(len(made.graph.constant)),
        "graph.duplicates": float(made.graph.duplicates),
    }
    log_facts("manifold_made", method=chosen, validation=validation, graph=facts)
    seconds = time.monotonic() - began
    yield MadeManifold(made.encoder, validation, made.losses, facts, seconds)


def steps_of(preset: ManifoldPreset) -> int:
    """Return how many steps of the optimiser a preset takes in all."""
    tried = len(preset.methods) if len(preset.methods) > 1 else 0
    return preset.steps * (tried + 1)


def _trained(
    rows: ManifoldRows, preset: ManifoldPreset, method: str
) -> Generator[float, None, _Trained]:
    """Read a manifold off by one method and train its encoder, yielding losses."""
    graph = rows.graph(preset.neighbours, preset.cross)
    widest = max(near.shape[1] for near in graph.near)
    dims = preset.dims if method not in ("lle", "ltsa") else min(preset.patch_dims, widest - 1)
    fitted = fit_manifold(method, graph, max(1, dims))
    places = graph.fused(fitted.coordinates)
    target = Target(places, getattr(fitted, "landmarks", None), getattr(fitted, "away", None))
    how = EncoderTraining(steps=preset.steps, seed=preset.seed)
    told = [one.rows for one in rows.views]
    losses: list[float] = []
    encoders = yield from train_view_encoders(told, graph, target, how, losses)
    lift = float(np.sqrt((places**2).sum(axis=1).mean())) if method in _METRIC else 0.0
    config = ManifoldConfig(
        views=tuple(one.view for one in rows.views),
        sizes=tuple(one.rows.shape[1] for one in rows.views),
        components=tuple(one.axes.shape[0] for one in encoders),
        steps=preset.window_steps,
        dims=places.shape[1],
        hidden=how.hidden,
        lift=lift,
        method=method,
    )
    encoder = ManifoldEncoder(config)
    for one, trained in zip(rows.views, encoders, strict=True):
        encoder.views[one.view].load_state_dict(trained.state_dict())
    return _Trained(encoder.eval(), losses, graph)
