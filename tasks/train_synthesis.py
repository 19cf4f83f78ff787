"""Train the networks of synthesis on pools of examples; a generator of progress.

Reads pools, writes nothing: yields `Progress` and, last, `TrainedSynthesis`. Equal pools, preset,
threads and CPU features give equal weights, bit for bit.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from infra.errors import TrainingDivergedError
from models.losses import charbonnier
from models.precision import autocast, cpu_precision
from models.synthesis import Synthesis, SynthesisConfig, error_db
from tasks.fusing import with_plain
from tasks.rate_conversion import Sources
from tasks.train import Progress, learning_rate_factor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from models.precision import Precision
    from models.synthesis import Fused
    from tasks.synthesis_pools import Example
    from tasks.synthesis_presets import SynthesisPreset

# Share of patches in which one source shows nothing of a box, and says so.
HOLES = 0.3
# Share in which every source is the truth: what needs no help must be seen not to.
PERFECT = 0.1
LEAST_SOURCES, MOST_SOURCES = 2, 4


@dataclass(frozen=True, slots=True)
class TrainedSynthesis:
    """The averaged weights and how they came about; `steps` says how many each task had."""

    state: dict[str, Tensor]
    config: SynthesisConfig
    losses: list[float]
    steps: dict[str, int]
    seconds: float
    precision: Precision
    threads: int

    def model(self) -> Synthesis:
        """Return the networks with these weights, ready to use."""
        model = Synthesis(self.config)
        model.load_state_dict(self.state)
        return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # absent from torch's stub


def train_synthesis(
    pools: Mapping[str, Sequence[Example]],
    preset: SynthesisPreset,
    *,
    threads: int = 1,
    precision: Precision | None = None,
) -> Iterator[Progress | TrainedSynthesis]:
    """Learn each task from its pool, in turns; a task without examples stays untrained.

    Sets torch's thread count while it runs.

    Raises:
        ValueError: no task has an example.
        TrainingDivergedError: if the loss stops being a number.
    """
    tasks = [name for name, pool in pools.items() if pool]
    if not tasks:
        raise ValueError("synthesis has nothing to learn from")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield from _train(pools, tasks, preset, threads, precision or cpu_precision())
    finally:
        torch.set_num_threads(before)


def _train(
    pools: Mapping[str, Sequence[Example]],
    tasks: Sequence[str],
    preset: SynthesisPreset,
    threads: int,
    precision: Precision,
) -> Iterator[Progress | TrainedSynthesis]:
    rng = np.random.default_rng(preset.seed)
    model = Synthesis(SynthesisConfig(preset.width, preset.blocks))
    model.init_weights(torch.Generator().manual_seed(preset.seed))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from torch's stub
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=preset.learning_rate,
        betas=(0.9, 0.95),
        weight_decay=preset.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_factor(step, preset.steps, preset.warmup_share)
    )
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    losses: list[float] = []
    taken = dict.fromkeys(tasks, 0)
    started = time.monotonic()
    for step in range(1, preset.steps + 1):
        # Damage is of many kinds: every second step is of fusion.
        task = tasks[0] if step % 2 or len(tasks) == 1 else tasks[1 + step // 2 % (len(tasks) - 1)]
        taken[task] += 1
        truth, sources, trust = draw(pools[task], preset, rng)
        with autocast(precision):
            fused = model(sources, trust, task)
        loss = synthesis_loss(fused, sources, trust, truth, preset.estimate)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise TrainingDivergedError(
                f"The loss became {losses[-1]} at step {step} of {preset.steps}, learning rate "
                f"{preset.learning_rate:g}."
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        torch.nn.utils.clip_grad_norm_(model.parameters(), preset.clip_norm)
        optimiser.step()
        schedule.step()
        keep = min(preset.ema, step / (step + 9))
        for name, value in model.state_dict().items():
            average[name].lerp_(value, 1 - keep)
        if step % preset.report_every == 0 or step == preset.steps:
            recent = losses[-((step - 1) % preset.report_every + 1) :]
            yield Progress(step, preset.steps, float(np.mean(recent)), time.monotonic() - started)
    state = {name: value.contiguous() for name, value in average.items()}
    seconds = time.monotonic() - started
    yield TrainedSynthesis(state, model.config, losses, taken, seconds, precision, threads)


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
