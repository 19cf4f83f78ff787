"""Manifolds of handwritten digits: `python tests/bench/eval_digits.py [--seeds 5] [--views ...]`.

The UCI multiple features of 2,000 digits (asset `eval-digits`): the same digit as Fourier
coefficients, profile correlations, Karhunen-Loeve coefficients. 500 digits, drawn by seed, are held
out; everything is fitted on the other 1,500. Measured over all ordered pairs of views: R@1, a held-
out digit of one view finds itself among the 500 of the other; 5-NN, its class by the five nearest
training digits as the other view shows them. Prints mean and spread over seeds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from infra import assets
from infra.settings import load_settings
from models.linear_codes import PrincipalComponents
from models.manifold import METHODS, fit_manifold
from models.manifold_graph import build_graph
from models.ranking import cosine
from tasks.manifold.train import EncoderTraining, Target, train_view_encoders

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from models.manifold import Manifold
    from models.manifold_graph import Graph

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

ASSET = "eval-digits"
VIEWS = ("fou", "fac", "kar")
HELD_OUT, NEAREST = 500, 5
DIMS = {"isomap": 32, "mds": 32, "lle": 9, "ltsa": 9, "mcca": 64}
# By cosine what means directions, by distance what means distances.
BY_COSINE = ("pca", "mcca")
# What docs of before measured (MODELS, section 5): R@1, 5-NN.
BEFORE = {
    "pca": (0.00, 0.10),
    "isomap": (0.24, 0.86),
    "mcca": (0.28, 0.82),
    "isomap student": (0.27, 0.84),
    "mcca student": (0.40, 0.86),
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--views", nargs="*", default=VIEWS)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--students", nargs="*", default=["isomap", "mcca"])
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    views, digit = digits(told.views)
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(told.seeds):
        for name, figures in measured(views, digit, seed, told.methods, told.students).items():
            found.setdefault(name, []).append(figures)
    print(f"views {', '.join(told.views)}; {told.seeds} splits, 1,500 digits to fit, 500 held out")
    print(f"{'method':24}{'R@1':>8}{'+-':>7}{'5-NN':>8}{'+-':>7}   before")
    for name, figures in found.items():
        (recall, right), (r_spread, a_spread) = np.mean(figures, axis=0), np.std(figures, axis=0)
        known = BEFORE.get(name)
        before = f"{known[0]:.2f} / {known[1]:.2f}" if known else ""
        print(f"{name:24}{recall:8.3f}{r_spread:7.3f}{right:8.3f}{a_spread:7.3f}   {before}")
    if told.json:
        told.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def digits(names: Sequence[str]) -> tuple[list[Floats], Ints]:
    """Return the sets of numbers asked for, (2000, D) each, and which digit each row is."""
    home = load_settings(None).assets
    folder = home if home.exists() else Path(tempfile.mkdtemp(prefix="stillhouse-digits-"))
    assets.fetch([ASSET], folder)
    tables = [
        np.loadtxt(folder / f"eval/digits/mfeat-{name}.csv", delimiter=",", skiprows=1)
        for name in names
    ]
    return [table[:, :-1] for table in tables], tables[0][:, -1].astype(np.int64)


def measured(
    views: Sequence[Floats], digit: Ints, seed: int, methods: Sequence[str], students: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Return R@1 and 5-NN accuracy of every method on one split."""
    order = np.random.default_rng(seed).permutation(len(digit))
    held, known = order[:HELD_OUT], order[HELD_OUT:]
    fitted, fresh = [], []
    for view in views:
        middle, spread = view[known].mean(axis=0), view[known].std(axis=0) + 1e-9
        fitted.append((view[known] - middle) / spread)
        fresh.append((view[held] - middle) / spread)
    graph = build_graph(fitted, [np.arange(len(known))] * len(views))
    labels = (digit[known], digit[held])
    found = {}
    plain = [PrincipalComponents.fit(one, DIMS["mcca"]) for one in fitted]
    pair = [[p.codes(x) for p, x in zip(plain, side, strict=True)] for side in (fitted, fresh)]
    found["pca"] = scores(*pair, labels, by_cosine=True)
    for method in methods:
        manifold = fit_manifold(method, graph, DIMS[method])
        own = [manifold.coordinates[cut] for cut in graph.cuts]
        new = [manifold.encode(v, x) for v, x in enumerate(fresh)]
        found[method] = scores(own, new, labels, by_cosine=method in BY_COSINE)
        if method in students:
            for name, contrast in (("student", 0.0), ("student + contrast", 2.0)):
                how = EncoderTraining(contrast=contrast, seed=seed)
                placed = student(graph, manifold, fitted, fresh, how)
                found[f"{method} {name}"] = scores(*placed, labels, by_cosine=True)
    return found


def student(
    graph: Graph,
    manifold: Manifold,
    fitted: Sequence[Floats],
    fresh: Sequence[Floats],
    how: EncoderTraining,
) -> tuple[list[Floats], list[Floats]]:
    """Train an encoder a view on fused coordinates; return what it says of old and new rows."""
    places = graph.fused(manifold.coordinates)
    known = (getattr(manifold, name, None) for name in ("landmarks", "away"))
    training = train_view_encoders(fitted, graph, Target(places, *known), how, [])
    while True:
        try:
            next(training)
        except StopIteration as end:
            encoders = end.value
            break
    with torch.inference_mode():
        told = [
            [
                encoder(torch.from_numpy(x.astype(np.float32))).double().numpy()
                for encoder, x in zip(encoders, side, strict=True)
            ]
            for side in (fitted, fresh)
        ]
    return told[0], told[1]


def scores(
    known: Sequence[Floats], fresh: Sequence[Floats], digit: tuple[Ints, Ints], *, by_cosine: bool
) -> tuple[float, float]:
    """Return R@1 and 5-NN accuracy, means over ordered pairs of views."""
    recall, right = [], []
    for asks, answers in permutations(range(len(known)), 2):
        near = _near(fresh[asks], fresh[answers], by_cosine=by_cosine)
        recall.append(float((near.argmax(axis=1) == np.arange(len(near))).mean()))
        near = _near(fresh[asks], known[answers], by_cosine=by_cosine)
        few = digit[0][np.argsort(-near, axis=1)[:, :NEAREST]]
        said = [np.bincount(one, minlength=10).argmax() for one in few]
        right.append(float((np.array(said) == digit[1]).mean()))
    return float(np.mean(recall)), float(np.mean(right))


def _near(one: Floats, other: Floats, *, by_cosine: bool) -> Floats:
    if by_cosine:
        return cosine(one, other)
    return 2 * one @ other.T - (other**2).sum(axis=1)


if __name__ == "__main__":
    main()
