"""Train the networks of synthesis on pools of examples; a generator of progress.

Reads pools, writes nothing: yields `Progress`, returns `Trained`. Equal pools, preset,
threads and CPU features give equal weights, bit for bit.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.losses import charbonnier
from models.precision import autocast, cpu_precision
from models.synthesis import Synthesis, SynthesisConfig, error_db
from tasks.synthesis.fusing import with_plain
from tasks.synthesis.rate_conversion import Sources
from tasks.training.of_pictures import PictureTraining

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from torch import Tensor

    from models.precision import Precision
    from models.synthesis import Fused
    from tasks.synthesis.pools import Example
    from tasks.synthesis.presets import SynthesisPreset
    from tasks.training.of_pictures import Trained
    from tasks.training.schedule import Progress

# Share of patches in which one source shows nothing of a box, and says so.
HOLES = 0.3
# Share in which every source is the truth: what needs no help must be seen not to.
PERFECT = 0.1
LEAST_SOURCES, MOST_SOURCES = 2, 4


def train_synthesis(
    pools: Mapping[str, Sequence[Example]],
    preset: SynthesisPreset,
    *,
    threads: int = 1,
    precision: Precision | None = None,
) -> Generator[Progress, None, Trained]:
    """Learn each task from its pool, in turns; a task without examples stays untrained.

    Sets torch's thread count while it runs.

    Raises:
        ValueError: no task has an example.
        TrainingDivergedError: if the loss stops being a number.
    """
    tasks = _learnable(pools)
    rng = np.random.default_rng(preset.seed)
    net = Synthesis(SynthesisConfig(preset.width, preset.blocks))
    training = PictureTraining(net, preset, precision or cpu_precision())

    def loss_of(step: int) -> Tensor:
        task = _turn(tasks, step)
        truth, sources, trust = draw(pools[task], preset, rng)
        with autocast(training.precision):
            fused = training.net(sources, trust, task)
        return synthesis_loss(fused, sources, trust, truth, preset.estimate)

    return (yield from training.run(loss_of, threads))


def turns_of(pools: Mapping[str, Sequence[Example]], steps: int) -> dict[str, int]:
    """Return how many of so many steps each task has."""
    return dict(Counter(_turn(_learnable(pools), step) for step in range(1, steps + 1)))


def _learnable(pools: Mapping[str, Sequence[Example]]) -> list[str]:
    tasks = [name for name, pool in pools.items() if pool]
    if not tasks:
        raise ValueError("synthesis has nothing to learn from")
    return tasks


def _turn(tasks: Sequence[str], step: int) -> str:
    """Return whose turn a step is: damage is of many kinds, so every second one is of fusion."""
    if step % 2 or len(tasks) == 1:
        return tasks[0]
    return tasks[1 + step // 2 % (len(tasks) - 1)]


def synthesis_loss(
    fused: Fused, sources: Tensor, trust: Tensor, truth: Tensor, estimate: float
) -> Tensor:
    """Charbonnier of the picture, a third of the blend's, and of the estimated errors.

    Estimates learn from what there is and do not change it: the errors carry no gradient.
    """
    with torch.no_grad():
        own = error_db(fused.picture.clamp(0, 1), truth)
        each = error_db(sources, truth[:, None].expand_as(sources))
        there = (trust.amax(dim=(-3, -2, -1)) > 0).float()
    far = (fused.source_db - each).abs()
    off = (fused.db - own).abs().mean() + (far * there).sum() / there.sum().clamp(min=1)
    picture = charbonnier(fused.picture, truth) + charbonnier(fused.blend, truth) / 3
    return picture + estimate * off


def draw(
    pool: Sequence[Example], preset: SynthesisPreset, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw patches: truth (B, 3, P, P), sources (B, N, 3, P, P), trust (B, N, 1, P, P), 0..1.

    All of a batch have as many sources; all eight orientations are equally likely.
    """
    count = int(rng.integers(LEAST_SOURCES, MOST_SOURCES + 1))
    parts = [
        _patch(pool[int(rng.integers(len(pool)))], count, preset.patch, rng)
        for _ in range(preset.batch)
    ]
    most = max(len(trust) for _, _, trust in parts)
    # A source without trust is none: batches of unlike examples are filled up with those.
    truth = np.stack([one for one, _, _ in parts])
    sources = np.stack([_filled(one, most) for _, one, _ in parts])
    trusts = np.stack([_filled(one, most) for _, _, one in parts])
    pictures = (torch.from_numpy(one).float() / 255 for one in (truth, sources))
    first, second = pictures
    return (
        first.permute(0, 3, 1, 2).contiguous(),
        second.permute(0, 1, 4, 2, 3).contiguous(),
        torch.from_numpy(trusts)[:, :, None],
    )


def _patch(
    example: Example, count: int, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    which = np.arange(len(example.sources))
    if example.loose:
        which = rng.permutation(which)[: min(count, len(which))]
    height, width = example.truth.shape[:2]
    side = min(side, height // 2 * 2, width // 2 * 2)
    y, x = (int(rng.integers(room + 1)) for room in (height - side, width - side))
    rows, columns = slice(y, y + side), slice(x, x + side)
    truth = example.truth[rows, columns]
    sources = example.sources[which, rows, columns]
    trust = example.trust[which, rows, columns].copy()
    if example.loose and rng.random() < PERFECT:
        sources = np.repeat(truth[None], len(which), axis=0)
    if example.loose and rng.random() < HOLES:
        sources = sources.copy()
        top, left = rng.integers(0, side, 2)
        hole = (int(rng.integers(len(which))), slice(top, None), slice(left, None))
        trust[hole], sources[hole] = 0, 0
    if example.loose:
        sources, trust = with_plain(Sources(sources, trust))
    mirror_y, mirror_x, turn = rng.random(3) < 0.5
    down, across = (
        slice(None, None, -1 if mirror_y else 1),
        slice(None, None, -1 if mirror_x else 1),
    )
    truth, sources, trust = truth[down, across], sources[:, down, across], trust[:, down, across]
    if turn:
        truth, sources = truth.swapaxes(0, 1), sources.swapaxes(1, 2)
        trust = trust.swapaxes(1, 2)
    return truth, sources, trust


def _filled(one: np.ndarray, count: int) -> np.ndarray:
    more = np.zeros((count - len(one), *one.shape[1:]), one.dtype)
    return np.concatenate([one, more])
