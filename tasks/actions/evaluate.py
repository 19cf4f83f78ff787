"""Judge heads of actions on codes: sessions held out, or left out in turn. Arrays in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.linear_probe import LinearProbe
from tasks.actions.judgement import BASELINES, MODEL, ActionJudgement, Told
from tasks.actions.peers import PeerCodes
from tasks.actions.train import fit_head, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from models.action import ActionHead
    from tasks.actions.material import LabelledWindow
    from tasks.actions.presets import ActionPreset

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]


def judge_action(
    head: ActionHead,
    x: Floats,
    windows: tuple[LabelledWindow, ...],
    preset: ActionPreset,
    peers: PeerCodes,
) -> ActionJudgement:
    """Judge a head on the codes (N, size) of the windows that its peers know."""
    names = head.config.names
    kept = np.array([one.label in names for one in windows], bool)
    x, windows = x[kept], tuple(one for one in windows if one.label in names)
    peers = PeerCodes(peers.there[kept], peers.single[kept], peers.background[kept])
    truth = np.array([names.index(one.label) for one in windows], np.int64)
    groups = np.unique([one.group for one in windows], return_inverse=True)[1]
    train = np.array([one.split == "train" for one in windows], bool)
    found: list[Told] = []
    protocol = "heldout" if (~train).any() else "folds"
    for learns, side in _sides(train, groups, truth):
        asked, own = side & peers.there, head
        if not asked.any():
            continue
        if protocol == "folds":
            own = fit_head(x[learns], truth[learns], head.config, preset)
        found += _answers(own, x, truth, groups, learns, asked, windows, peers)
    sessions = len({one.session_id for one in windows if one.split == "train"})
    return ActionJudgement(
        protocol if found else "none", names, tuple(found), int(train.sum()), sessions
    )


def _sides(train: Bools, groups: Ints, truth: Ints) -> Iterator[tuple[Bools, Bools]]:
    """Yield who is learned from and who is asked; nobody where no class is in two groups."""
    if (~train).any():
        yield train, ~train
        return
    for group in np.unique(groups):
        out = groups == group
        # A class that is in this group alone cannot be known from the others.
        asked = out & np.isin(truth, truth[~out])
        if asked.any() and len(np.unique(truth[~out])) > 1:
            yield ~out, asked


def _answers(
    head: ActionHead,
    x: Floats,
    truth: Ints,
    groups: Ints,
    learns: Bools,
    asked: Bools,
    windows: tuple[LabelledWindow, ...],
    peers: PeerCodes,
) -> Iterator[Told]:
    first = head.config.latents * head.config.semantic
    probe = LinearProbe.fit(x[learns, first:], truth[learns], groups[learns])
    most = np.bincount(truth[learns]).argmax()
    for session in sorted({windows[k].session_id for k in np.flatnonzero(asked)}):
        at = np.array([k for k in np.flatnonzero(asked) if windows[k].session_id == session])
        said = {
            MODEL: told(head, x[at]),
            BASELINES[0]: np.full(len(at), most),
            BASELINES[1]: probe.said(x[at, first:]),
            **peers.said(truth, groups, learns, at),
        }
        for method, answers in said.items():
            yield Told(
                windows[at[0]].session,
                method,
                tuple(truth[at].tolist()),
                tuple(int(k) for k in answers),
            )
