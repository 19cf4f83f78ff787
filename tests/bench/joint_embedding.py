"""Whether a joint embedding of codes and sentences finds clips by words better than labels do.

Used by `eval_search.py --joint`. Both ways learn from the same labelled windows of held-in sessions
and rank the windows of held-out ones by a sentence: *labels* tells an action of each window and
compares that label's sentence vector, as `search --text` does; *shares* weighs the vectors of all
labels by what the head gives them; *joint* is a ridge map from the code's embedding to the sentence
vector of its label. Asked are the labels themselves, other words for them, and, of a class that
nobody learned, its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.action import ActionConfig
from models.nearest_groups import unit
from tasks.actions.presets import PRESETS
from tasks.actions.train import fit_head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ways = dict[str, npt.NDArray[np.float64]]

PULLS = (1e-2, 1e-1, 1.0, 10.0, 100.0)
# Other words for each label that is judged here.
OTHERWISE = {
    "person": "somebody is in the picture",
    "no person": "an empty scene with nobody in it",
    "backflip": "jumping over backwards through the air",
    "cartwheel": "turning sideways over the hands",
    "crawl": "moving on hands and knees",
    "dance_a": "moving to music",
    "dance_b": "swaying and stepping to a rhythm",
    "getup_facedown": "rising after lying on the belly",
    "getup_faceup": "rising after lying on the back",
    "jump": "leaping off the ground",
    "kick": "hitting something with a foot",
    "punch": "hitting with a fist, boxing",
    "roll": "tumbling over the ground",
    "run": "sprinting, moving fast on foot",
    "spin": "turning around oneself",
    "spinkick": "whirling around and hitting with a leg",
    "walk": "strolling, moving slowly on foot",
}


@dataclass(frozen=True, eq=False)
class Coded:
    """Embeddings (N, D) of windows, each one's label and the session it is of."""

    codes: Floats
    labels: npt.NDArray[np.str_]
    sessions: npt.NDArray[np.str_]

    def some(self, there: npt.NDArray[np.bool_]) -> Coded:
        """Return those windows."""
        return Coded(self.codes[there], self.labels[there], self.sessions[there])


def ranked(train: Coded, asked: Floats, query: Floats, known: dict[str, Floats]) -> Ways:
    """Return how near each way puts windows (N, D) to a sentence vector."""
    names = sorted(set(train.labels))
    sentences = np.stack([known[name] for name in names])
    config = ActionConfig(tuple(names), latents=0, embedding=train.codes.shape[1])
    which = np.searchsorted(names, train.labels)
    head = fit_head(train.codes, which.astype(np.int64), config, PRESETS["ci"])
    with torch.inference_mode():
        shares = head.serve(torch.from_numpy(asked)).numpy()
    joint = Ridge.fit(train, known)
    return {
        "labels": (sentences[shares.argmax(axis=1)] @ query).astype(np.float64),
        "shares": (unit(shares @ sentences) @ query).astype(np.float64),
        "joint": (unit(joint(asked)) @ query).astype(np.float64),
    }


class Ridge:
    """A linear map from codes to sentence vectors, pulled to 0.

    How strongly is chosen by leaving sessions of training out in turn.
    """

    def __init__(self, codes: Floats, targets: Floats, pull: float) -> None:
        self._mean, self._spread = codes.mean(axis=0), codes.std(axis=0) + 1e-6
        self._middle = targets.mean(axis=0)
        x = (codes - self._mean) / self._spread
        square = x.T @ x + pull * len(x) * np.eye(x.shape[1])
        self._weights = np.linalg.solve(square, x.T @ (targets - self._middle))

    def __call__(self, codes: Floats) -> Floats:
        """Map codes (N, D) to (N, 384)."""
        x = (codes - self._mean) / self._spread
        return np.asarray(x @ self._weights + self._middle, np.float32)

    @classmethod
    def fit(cls, train: Coded, known: dict[str, Floats]) -> Ridge:
        """Choose the pull and fit to everything."""
        targets = np.stack([known[name] for name in train.labels])
        lost = dict.fromkeys(PULLS, 0.0)
        for session in np.unique(train.sessions):
            out = train.sessions == session
            if out.all():
                break
            for pull in PULLS:
                made = cls(train.codes[~out], targets[~out], pull)(train.codes[out])
                lost[pull] += float(((made - targets[out]) ** 2).sum())
        return cls(train.codes, targets, min(PULLS, key=lambda pull: lost[pull]))


def average_precision(scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """Mean over shuffles, as many windows are equally near where a label is all that is known."""
    rng, found = np.random.default_rng(0), []
    for _ in range(20):
        mixed = rng.permutation(len(scores))
        order = mixed[np.argsort(-scores[mixed].round(6), kind="stable")]
        hits = right[order]
        ranks = np.flatnonzero(hits) + 1
        found.append(float((np.arange(1, len(ranks) + 1) / ranks).mean()))
    return float(np.mean(found))


def print_joint(
    title: str, train: Coded, heldout: Coded, read: Callable[[Sequence[str]], Floats]
) -> None:
    """Print mAP over queries of every way, for what is known, said otherwise, and never learned."""
    names = sorted(set(train.labels) & set(heldout.labels))
    every = sorted(set(train.labels) | set(names))
    texts = dict(zip(every, read([name.replace("_", " ") for name in every]), strict=True))
    others = dict(zip(names, read([OTHERWISE[name] for name in names]), strict=True))
    print(
        f"\n{title}: {len(train.codes)} windows of {len(set(train.sessions))} sessions learned, "
        f"{len(heldout.codes)} of {len(set(heldout.sessions))} asked, {len(names)} labels"
    )
    print(f"  {'mAP':28}{'chance':>8}{'labels':>8}{'shares':>8}{'joint':>8}")
    for kind, queries in (("the label", texts), ("other words for it", others)):
        rows = [
            (ranked(train, heldout.codes, queries[name], texts), heldout.labels == name)
            for name in names
        ]
        _line(kind, rows)
    if len(names) > 2:
        rows = [
            (
                ranked(train.some(train.labels != name), heldout.codes, texts[name], texts),
                heldout.labels == name,
            )
            for name in names
        ]
        _line("a label never learned", rows)


def _line(kind: str, rows: list[tuple[Ways, npt.NDArray[np.bool_]]]) -> None:
    ways = ("labels", "shares", "joint")
    chance = np.mean([average_precision(np.zeros(len(right)), right) for _, right in rows])
    found = [np.mean([average_precision(w[name], right) for w, right in rows]) for name in ways]
    print(f"  {kind:28}" + "".join(f"{value:8.3f}" for value in (chance, *found)))
