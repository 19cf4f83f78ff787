"""Train the distiller on windows of features; a generator of progress.

Reads the catalog's features, never video; writes checkpoints where it is told to. Yields
`Progress` and, last, `TrainedDistiller`. Equal windows, preset, threads and CPU features give
equal weights, bit for bit, in one go or resumed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from models.distiller import Distiller
from models.distiller_config import PRESETS as NETWORKS
from models.precision import precision_of
from models.view_prediction import ViewPredictor
from tasks.distiller.steps import step_losses
from tasks.training.of_windows import KEPT_BYTES, Alone, WindowTraining, device_here
from tasks.windows.reader import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from models.distiller_config import DistillerConfig
    from models.precision import Precision
    from tasks.distiller.presets import DistillerPreset
    from tasks.training.schedule import Progress
    from tasks.windows.sets import WindowSource


@dataclass(frozen=True, slots=True)
class TrainedDistiller:
    """The averaged weights and how they came about. Picklable, contiguous, on the CPU."""

    state: dict[str, Tensor]
    config: DistillerConfig
    curves: dict[str, list[float]]  # of every step, by term; "total" is what was minimised
    seconds: float
    waited_share: float  # of the time since it began or was resumed, for windows
    precision: Precision
    threads: int

    def model(self) -> Distiller:
        """Return the network with these weights, ready to use."""
        model = Distiller(self.config)
        model.load_state_dict(self.state)
        return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # absent from torch's stub


def spec_of(preset: DistillerPreset, tensors: tuple[str, ...] | None = None) -> WindowSpec:
    """Return what windows a preset learns from: of rigs, those before the last of their time."""
    spec = WindowSpec(
        steps=preset.window_steps,
        stride=preset.stride,
        cameras=preset.cameras,
        part="earlier",
        by_camera=True,
    )
    return spec if tensors is None else replace(spec, tensors=tensors)


def train_distiller(
    source: WindowSource,
    split: str,
    preset: DistillerPreset,
    *,
    threads: int = 1,
    precision: Precision | None = None,
    folder: Path | None = None,
    key: str = "",
    config: DistillerConfig | None = None,
    spec: WindowSpec | None = None,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    group: Alone | None = None,
) -> Iterator[Progress | TrainedDistiller]:
    """Learn from the windows of a split's sessions.

    With a `folder` it writes a checkpoint every so often, and goes on from the one there if that
    is of `key`. `config` and `spec` replace what the preset names. With `seconds` it ends after so
    much time of `clock`, the learning rate following it, instead of after the preset's steps.
    Yields every `report_every` steps and at the end. Sets torch's thread count while it runs.

    Raises:
        NothingToLearnError: there are no features.
        TrainingDivergedError: the loss stopped being a number; the last checkpoint stays.
    """
    group = group or Alone()
    reader = source.reader(
        spec or spec_of(preset),
        split,
        batch=preset.batch // group.size,
        seed=preset.seed,
        worker=group.rank,
        workers=group.size,
        keep_bytes=KEPT_BYTES // group.size,
    )
    chosen = precision or precision_of(bf16=preset.bf16)
    network = config or replace(NETWORKS[preset.network], fusion=preset.fusion)
    run = _Run(preset, network, chosen, group, source.step_ns)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        waited_share = yield from run.train(reader, folder, key, seconds, clock)
        yield run.trained(waited_share)
    finally:
        torch.set_num_threads(threads_before)


class _Run(WindowTraining):
    """One training run of the distiller, in one of the processes that share it."""

    def __init__(
        self,
        preset: DistillerPreset,
        config: DistillerConfig,
        precision: Precision,
        group: Alone,
        step_ns: int,
    ) -> None:
        self._preset, self._step_ns = preset, step_ns
        device = device_here()
        torch.manual_seed(preset.seed)
        self.net = Distiller(config).to(device).train()
        self.head = ViewPredictor(config.width, config.heads).to(device)
        super().__init__(self.net, self.head, preset, precision, group)

    def losses(self, windows: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what `step_losses` does."""
        return step_losses(
            self.net, self.head, windows, self._preset, self.at.rng, self._step_ns, self.device
        )

    def trained(self, waited_share: float) -> TrainedDistiller:
        config = self.net.config
        shipped = Distiller(config)
        shipped.load_state_dict(self.at.average)
        shipped.codec.tabulate()
        state = {name: x.detach().cpu().contiguous() for name, x in shipped.state_dict().items()}
        return TrainedDistiller(
            state,
            config,
            dict(self.at.curves),
            self.at.seconds,
            waited_share,
            self.precision,
            torch.get_num_threads(),
        )
