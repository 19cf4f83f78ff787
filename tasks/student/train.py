"""Train the student on windows of features, by a teacher or without; a generator of progress.

Reads the catalog's features, never video; writes checkpoints where it is told to. Yields
`Progress` and, last, `TrainedStudent`. Equal windows, teacher, preset, threads and CPU features
give equal weights, bit for bit, in one go or resumed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.distiller_losses import still_pairs
from models.extractor import FRAME_VIEWS
from models.precision import precision_of
from models.student import PRESETS as NETWORKS
from models.student import Student
from models.student_losses import MaskedTokens, taught_loss, untaught_loss
from tasks.distiller.augmentation import augmented
from tasks.distiller.drop_law import corrupted, dropped
from tasks.training.of_windows import KEPT_BYTES, Alone, WindowTraining, device_here
from tasks.windows.reader import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

    from models.distiller import Distiller
    from models.precision import Precision
    from models.student import StudentConfig
    from tasks.student.presets import StudentPreset
    from tasks.training.schedule import Progress
    from tasks.windows.sets import WindowSource

    Windows = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class TrainedStudent:
    """The averaged weights and how they came about. Picklable, contiguous, on the CPU."""

    state: dict[str, Tensor]
    config: StudentConfig
    curves: dict[str, list[float]]  # of every step, by term; "total" is what was minimised
    seconds: float  # of the clock that was given
    waited_share: float  # of the time since it began or was resumed, for windows
    precision: Precision
    threads: int

    def model(self) -> Student:
        """Return the network with these weights, ready to use."""
        model = Student(self.config)
        model.load_state_dict(self.state)
        return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # absent from torch's stub


def spec_of(preset: StudentPreset, tensors: tuple[str, ...]) -> WindowSpec:
    """Return what windows a preset learns from: of rigs, those before the last of their time."""
    return WindowSpec(
        tensors=tensors,
        steps=preset.window_steps,
        stride=preset.stride,
        cameras=preset.cameras,
        part="earlier",
        by_camera=True,
    )


def train_student(
    source: WindowSource,
    split: str,
    preset: StudentPreset,
    *,
    teacher: Distiller | None,
    threads: int = 1,
    folder: Path | None = None,
    key: str = "",
    seconds: float | None = None,
    clock: Callable[[], float] = time.process_time,
) -> Iterator[Progress | TrainedStudent]:
    """Learn from the windows of a split's sessions: what a teacher says of them, if there is one.

    Without one it is the same network that teaches itself, by InfoNCE: the control. With a `folder`
    it writes a checkpoint every so often, and goes on from the one there if that is of `key`. With
    `seconds` it ends after so much time of `clock`, the learning rate following it, instead of
    after the preset's steps. Seconds are CPU time, the teacher's included. Sets torch's thread
    count while it runs.

    Raises:
        NothingToLearnError: there are no features.
        TrainingDivergedError: the loss stopped being a number; the last checkpoint stays.
    """
    tensors = ("rgb",) if teacher is None else WindowSpec().tensors
    reader = source.reader(
        spec_of(preset, tensors),
        split,
        batch=preset.batch,
        seed=preset.seed,
        keep_bytes=KEPT_BYTES,
    )
    precision = precision_of(bf16=preset.bf16)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        run = (
            _Untaught(preset, precision, source.step_ns)
            if teacher is None
            else _Taught(preset, precision, teacher)
        )
        waited_share = yield from run.train(reader, folder, key, seconds, clock)
        yield run.trained(waited_share)
    finally:
        torch.set_num_threads(threads_before)


class _Run(WindowTraining):
    """What both ways of learning share."""

    def __init__(self, preset: StudentPreset, precision: Precision) -> None:
        self._preset = preset
        self.net, head = self._networks(preset)
        super().__init__(self.net, head, preset, precision, Alone())

    def _networks(self, preset: StudentPreset) -> tuple[Student, torch.nn.Module]:
        torch.manual_seed(preset.seed)
        net = Student(NETWORKS[preset.network]).to(device_here()).train()
        return net, torch.nn.Module()

    def _seen(self, windows: Windows) -> dict[str, Tensor]:
        """Return what the student gets to see: pictures, of which something is taken or damaged."""
        pictures = {
            name: x
            for name, x in windows.items()
            if name == "rgb" or name.removeprefix("mask_") not in FRAME_VIEWS
        } | {"mask_rgb": windows["mask_rgb"]}
        taken = dropped(pictures, self.at.rng)
        return _on(corrupted(taken, self._preset.corrupted_share, self.at.rng), self.device)

    def trained(self, waited_share: float) -> TrainedStudent:
        """Return the averaged weights."""
        state = {name: x.detach().cpu().contiguous() for name, x in self.at.average.items()}
        return TrainedStudent(
            state,
            self.net.config,
            dict(self.at.curves),
            self.at.seconds,
            waited_share,
            self.precision,
            torch.get_num_threads(),
        )


class _Taught(_Run):
    """By a teacher that sees the same cut and coloured windows, with all cameras and views.

    Consistent teaching (Beyer et al. 2022, arXiv:2106.05237): embeddings computed once would be of
    other pictures than those the student sees.
    """

    def __init__(self, preset: StudentPreset, precision: Precision, teacher: Distiller) -> None:
        self._teacher = teacher.eval().requires_grad_(requires_grad=False).to(device_here())
        super().__init__(preset, precision)

    def _networks(self, preset: StudentPreset) -> tuple[Student, torch.nn.Module]:
        net, _ = super()._networks(preset)
        taught = self._teacher.config
        self._head = MaskedTokens(net.config.channels[3], taught.pyramid, taught.cells)
        return net, self._head.to(device_here())

    def losses(self, windows: dict[str, Tensor]) -> dict[str, Tensor]:
        """Say what the teacher says of the windows."""
        whole = augmented(windows, self.at.rng)
        code = self.net.encode(self._seen(whole))
        with torch.no_grad():
            told = _on(whole, self.device)
            seen = self._teacher.see(told)
            steps = self._teacher.combine(seen, told).steps
        return taught_loss(code, steps, seen.maps[code.there], self._head)


class _Untaught(_Run):
    """By itself: two looks at a window are of the same moments, those of other windows are not."""

    def __init__(self, preset: StudentPreset, precision: Precision, step_ns: int) -> None:
        super().__init__(preset, precision)
        self._step_ns = step_ns

    def losses(self, windows: dict[str, Tensor]) -> dict[str, Tensor]:
        """Say the same of two looks: of two cameras, or of one seen otherwise."""
        first, second = draw_pairs(windows["mask_rgb"], self.at.rng)
        looks = [_camera(windows, one) for one in (first, second)]
        still = still_pairs(looks[0]["rgb"].flatten(0, 2)[..., ::4, ::4].float() / 255)
        one, other = (self.net.encode(self._seen(augmented(look, self.at.rng))) for look in looks)
        t_ns = looks[0]["t_ns"][:, 0].to(self.device)
        return untaught_loss(one, other, t_ns, self._step_ns, still.to(self.device))


def draw_pairs(mask: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw two cameras of each window (B, V, T) that have pictures, one twice if it is alone."""
    pairs = []
    for row in mask.any(dim=2):
        some = row.nonzero()[:, 0].numpy()
        pairs.append(rng.choice(some, 2, replace=len(some) < 2))
    first, second = torch.from_numpy(np.stack(pairs)).T
    return first, second


def _camera(windows: Windows, camera: Tensor) -> dict[str, Tensor]:
    """Return of each window one camera, as a window of one; what cameras share goes."""
    rows = torch.arange(len(camera))
    names = ("rgb", "mask_rgb", "camera", "camera_known", "t_ns", "slot")
    return {name: windows[name][rows, camera][:, None] for name in names}


def _on(windows: Windows, device: torch.device) -> dict[str, Tensor]:
    return {name: x.to(device) for name, x in windows.items()}
