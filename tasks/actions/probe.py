"""Action recognition from codes with few labels: linear probes, within cameras and across them.

Pure, and without randomness but a fixed draw of the few labels. Whole sessions are left out for
testing; across views, so is the camera that is tested. Every method is the same probe
(`models/linear_probe.py`) on other numbers, so that codes are compared and not classifiers.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from infra.errors import SplitImpossibleError
from models.linear_probe import LinearProbe
from tasks.actions.evaluation import BASELINES, CAMERA, MODEL, ActionEvaluation, ActionScore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from tasks.actions.codes import ActionCodes
    from tasks.actions.evaluation import Protocol

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

FOLDS = 4
SHOTS = (1, 5, 0)
# A few labels may be lucky ones: they are drawn so many times.
DRAWS = 3


def probe_actions(codes: ActionCodes, shots: Sequence[int] = SHOTS) -> ActionEvaluation:
    """Train and test every method; `shots` labelled windows a class, 0 all of them.

    `same_view` gives all cameras in training and in testing. `cross_view` leaves each camera out
    of training in turn and tests on it alone.

    Raises:
        SplitImpossibleError: the windows are of one session.
    """
    count = codes.sets.shape[1]
    every = np.ones(count, bool)
    pairs: list[tuple[Protocol, Bools, Bools]] = [("same_view", every, every)]
    if count > 1:
        pairs += [("cross_view", ~one, one) for one in np.eye(count, dtype=bool)]
    truth: dict[tuple[Protocol, int, str, str], list[int]] = defaultdict(list)
    said: dict[tuple[Protocol, int, str, str], list[int]] = defaultdict(list)
    methods = (MODEL, *BASELINES, *(f"{CAMERA}{k}" for k in range(count)))
    for few in shots:
        for train, test in _drawn(codes, few):
            for protocol, learns, asked in pairs:
                for method in methods:
                    for k, one in zip(
                        test, told(codes, method, train, test, learns, asked), strict=False
                    ):
                        key = (protocol, few, method, codes.sessions[k])
                        truth[key].append(int(codes.labels[k]))
                        said[key].append(int(one))
    return ActionEvaluation(
        tuple(ActionScore(*key, tuple(truth[key]), tuple(said[key])) for key in truth)
    )


def told(
    codes: ActionCodes, method: str, train: Ints, test: Ints, learns: Bools, asked: Bools
) -> Ints:
    """Return what a method says of the windows `test`, having learned from `train`: (N,) labels.

    `learns` (V,) are the cameras given in training, `asked` (V,) those in testing. Of a single
    camera that is not among `learns` nothing is said.
    """
    labels, groups = codes.labels[train], _groups(codes)[train]
    if method == "majority":
        return np.full(len(test), np.bincount(labels).argmax(), np.int64)
    if method == "late_mean":
        return _late_mean(codes, train, test, learns, asked)
    if method.startswith(CAMERA):
        camera = int(method.removeprefix(CAMERA))
        if not learns[camera]:
            return np.zeros(0, np.int64)
        single = codes.single()
        probe = LinearProbe.fit(single[train, camera], labels, groups)
        return probe.said(single[test, camera if asked[camera] else int(asked.argmax())])
    before, after = (joined(codes, method, cameras) for cameras in (learns, asked))
    return LinearProbe.fit(before[train], labels, groups).said(after[test])


def joined(codes: ActionCodes, method: str, cameras: Bools) -> Floats:
    """Return one vector a window of some of its cameras: (N, D).

    `model` and `background` are codes of the model. `early_concat` has those of single cameras
    side by side, zeros in place of the others; `sum` adds them.
    """
    if method in (MODEL, "background"):
        return codes.of(cameras, background=method == "background")
    single = codes.single() * cameras[:, None]
    return single.sum(axis=1) if method == "sum" else single.reshape(len(single), -1)


def _late_mean(codes: ActionCodes, train: Ints, test: Ints, learns: Bools, asked: Bools) -> Ints:
    """Train one probe on single cameras, each an item; the mean of its scores decides."""
    single = codes.single()
    there: Bools = np.abs(single).max(axis=2) > 0
    taught, cameras = np.nonzero(there[train] & learns)
    rows = train[taught]
    probe = LinearProbe.fit(single[rows, cameras], codes.labels[rows], _groups(codes)[rows])
    used = (there[test] & asked)[..., None]
    scores = probe.scores(single[test].reshape(-1, single.shape[2]))
    scores = scores.reshape(len(test), single.shape[1], -1)
    mean = (scores * used).sum(axis=1) / np.maximum(used.sum(axis=1), 1)
    found: Ints = probe.classes[mean.argmax(axis=1)]
    return found


def _groups(codes: ActionCodes) -> Ints:
    return np.unique(codes.sessions, return_inverse=True)[1].astype(np.int64)


def _drawn(codes: ActionCodes, few: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield the windows to train on and those to test on, fold by fold and draw by draw."""
    names = list(dict.fromkeys(codes.sessions))
    folds = min(FOLDS, len(names))
    if folds < 2:
        raise SplitImpossibleError(
            "Actions are probed across sessions, and the labelled windows are of one.",
            command="stillhouse ingest ANOTHER_FOLDER",
        )
    number = np.array([names.index(session) for session in codes.sessions])
    for fold in range(folds):
        test = np.flatnonzero(number % folds == fold)
        train = np.flatnonzero(number % folds != fold)
        for draw in range(DRAWS if few else 1):
            rng = np.random.default_rng([fold, draw])
            yield _few(train, codes.labels, few, rng), test


def _few(train: Ints, labels: Ints, few: int, rng: np.random.Generator) -> Ints:
    if not few:
        return train
    parts = []
    for one in np.unique(labels[train]):
        of = train[labels[train] == one]
        parts.append(rng.choice(of, min(few, len(of)), replace=False))
    return np.sort(np.concatenate(parts))
