"""What the code of a clip is worth: how near its pictures come to the target, and what it costs.

Tensors and arrays in, numbers out, under whatever autocast the caller opened. Energy of a window =
mean squared error of the clipped 8-bit pictures / variance of the clip's target + `byte_weight` x
bytes. Inside a search bytes are the information by the coder's own tables, exact but for the
coder's words; `decided` asks the coder itself.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.code_moves import Ints, code_layout
from models.codec import Codec, Symbols
from models.entropy import TOTAL_BITS, FactorisedPrior
from models.precision import autocast, cpu_precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.distiller import Distiller

Floats = npt.NDArray[np.float64]

# A byte is worth so much of the target's variance. On held-out clips of preset ci the model's own
# line (its quantisers' steps rescaled) has slopes of 1e-5 to 4e-4 at its operating point.
BYTE_WEIGHT = 1e-4
# A picture of one colour has no variance to measure by: 8-bit units squared.
LEAST_VARIANCE = 25.0
# Header of a stream of one window: format, checksum, two sizes of a byte each.
HEADER_BYTES = 7
# Pictures that are made at once: more leave the cache, fewer wait for Python (.94 ms each at 4,
# .68 at 16, .62 at 64, preset ci).
TOGETHER = 64


class Target(NamedTuple):
    """What W windows of one clip are to show: V cameras at their T steps."""

    truth: Tensor  # (W, V, T, 3, side, side) uint8
    usable: Tensor  # (W, V, T) bool
    camera: Tensor  # (W, V, 12)
    known: Tensor  # (W, V) bool
    slot: Tensor  # (W, V) int64
    t_ns: Tensor  # (W, T) int64


class Decided(NamedTuple):
    """Codes as they are judged in the end: each array has one entry a window."""

    energy: Floats
    error: Floats  # mean squared error, 8-bit units squared
    size: Ints  # bytes by the range coder, header included
    data: list[bytes]


class CodeEnergy:
    """The energy of codes of one clip's windows; counts what it was asked.

    `evaluations` are codes judged, `pictures` those decoded for it. Pictures of a step depend on
    that step's map and no other's: of a code that differs in some steps' maps from the one last
    kept, only those steps are decoded.
    """

    def __init__(
        self, net: Distiller, symbols: Symbols, target: Target, byte_weight: float = BYTE_WEIGHT
    ) -> None:
        """Take the codes to begin with, W of them.

        Raises:
            TypeError: the model's codes are no whole numbers.
            ValueError: its coder has no tables.
        """
        codec = net.codec
        if not isinstance(codec, Codec):
            raise TypeError("the model's codes are real numbers: there is nothing to refine")
        # Codes are refined, not weights, whose derivatives are 15 to 23 % of a gradient step.
        self.net = net.requires_grad_(requires_grad=False)
        self.target, self.byte_weight = target, byte_weight
        self._codec = codec
        self._shapes = [tuple(part.shape[1:]) for part in symbols]
        self._info = _information(codec, symbols)
        limit = net.config.limit
        self.start = self._flat(symbols)
        semantic, key, steps = self._shapes
        self.layout = code_layout(
            (semantic[0], semantic[1]),
            (key[0], key[1], key[2]),
            (steps[0], steps[1], steps[2], steps[3]),
            limit,
            self._info.argmin(axis=1) - limit,
        )
        self._steps_from = self.layout.size - int(np.prod(steps))
        self._usable = target.usable.numpy()
        self._counts = self._usable.sum(axis=(1, 2))
        shown = target.truth[target.usable]
        variance = float(shown.double().var(correction=0)) if len(shown) else 0.0
        self.variance = max(variance, LEAST_VARIANCE)
        with torch.no_grad():
            self._condition = net.decoder.camera(
                target.camera.flatten(0, 1), target.known.flatten(), target.slot.flatten()
            ).view(*target.known.shape, -1)
        self._seconds = ((target.t_ns - target.t_ns[:, :1]).double() * 1e-9).float()
        self.evaluations = self.pictures = 0
        self._kept = self.start.copy()
        # Of what has no picture the error is never asked.
        self._kept_errors = np.where(self._usable, np.nan, 0.0)
        self._last: tuple[Ints, Ints, Floats] | None = None

    @property
    def windows(self) -> list[int]:
        """The windows that have a picture to be judged by."""
        return np.flatnonzero(self._counts).tolist()

    def energies(self, windows: Ints, states: Ints) -> Floats:
        """Return the energy of P codes (P, n), each of the window named: (P,)."""
        self.evaluations += len(states)
        needed = self._needed(windows, states)
        errors = np.where(needed, 0.0, self._kept_errors[windows])
        errors[needed] = self._errors(windows, states, np.argwhere(needed))
        self._last = windows.copy(), states.copy(), errors
        return self._energy(windows, errors, self.information(states) / 8 + HEADER_BYTES)

    def keep(self, number: int) -> None:
        """Take one of the codes last judged as its window's own."""
        assert self._last is not None, "nothing has been judged"  # noqa: S101  a defect of the caller
        windows, states, errors = self._last
        self._kept[windows[number]] = states[number]
        self._kept_errors[windows[number]] = errors[number]

    def information(self, states: Ints) -> Floats:
        """Return what codes (P, n) cost by the coder's tables, in bits: (P,)."""
        at = np.arange(self.layout.size)
        return np.asarray(self._info[at, states + self.layout.limit].sum(axis=1))

    def loss(self, windows: Sequence[int], relaxed: Tensor) -> Tensor:
        """Return the summed energy of one real-valued code of each window, differentiable.

        The prior is asked instead of its tables, and pictures are not rounded to 8 bits. They are
        made in bf16 where the CPU has it, whatever the caller's precision: it takes 16 % less, and
        over 10 clips what was left of the energy moved by .0000 to .006. `decided` is as called.
        """
        usable = self.target.usable[windows]
        places = usable.nonzero()  # window (of these), camera, step
        self.pictures += len(places)
        whole = torch.tensor(windows)[places[:, 0]]
        rows = torch.stack([places[:, 0], whole, places[:, 1], places[:, 2]], dim=1)
        total = relaxed.new_zeros(())
        for first in range(0, len(rows), TOGETHER):
            some = rows[first : first + TOGETHER]
            with autocast(cpu_precision()):
                picture = self.pictures_of(relaxed, some)
            shown = picture.float().clamp(0, 1) * 255
            truth = self.target.truth[some[:, 1], some[:, 2], some[:, 3]].float()
            each = (shown - truth).square().flatten(1).mean(dim=1)
            total = total + (each / usable.sum(dim=(1, 2))[some[:, 0]]).sum()
        bits = self._codec.bits(self.symbols(relaxed)).sum()
        return total / self.variance + self.byte_weight * bits / 8

    def decided(self, states: Ints) -> Decided:
        """Judge a code of each window (W, n) by the coder's real bytes; no evaluation is counted.

        Each window is decoded by itself: its energy does not depend on its neighbours.
        """
        every = np.arange(len(states))
        errors = np.zeros(self._usable.shape)
        for k in every:
            mine = np.argwhere(self._usable[k][None])
            errors[k][self._usable[k]] = self._errors(every[[k]], states[[k]], mine)
        data = [self.to_bytes(state) for state in states]
        size = np.array([len(one) for one in data])
        energy = self._energy(every, errors, size.astype(np.float64))
        return Decided(energy, self._mean_error(every, errors), size, data)

    def estimated(self, states: Ints) -> Floats:
        """Return what the model's prior says that a code of each window costs, in bits: (W,)."""
        # One by one: a sum over a batch differs in its last bits.
        with torch.no_grad():
            rows = torch.from_numpy(states[:, None]).float()
            return np.array([float(self._codec.bits(self.symbols(row))) for row in rows])

    def to_bytes(self, state: Ints) -> bytes:
        """Return one window's code as its own stream."""
        return self._codec.to_bytes(self.symbols(torch.from_numpy(state[None]).float()))

    def symbols(self, states: Tensor) -> Symbols:
        """(P, n) -> the parts of the code."""
        ends = [0, *accumulate(int(np.prod(shape)) for shape in self._shapes)]
        parts = (states[:, a:b] for a, b in pairwise(ends))
        pairs = zip(parts, self._shapes, strict=True)
        return Symbols(*(part.reshape(-1, *shape) for part, shape in pairs))

    def pictures_of(self, states: Tensor, places: Tensor) -> Tensor:
        """Decode N pictures, unclipped: `places` (N, 4) are code, window, camera and step."""
        code, window, camera, step = places.T
        real = self._codec.restore(self.symbols(states))
        picture: Tensor = self.net.decoder(
            real.semantic[code],
            real.key[code],
            real.steps[code, step],
            self._condition[window, camera],
            self._seconds[window, step],
        )
        return picture

    def _needed(self, windows: Ints, states: Ints) -> npt.NDArray[np.bool_]:
        """Which pictures (P, V, T) of codes are not those of the code kept."""
        differs = states != self._kept[windows]
        everywhere = differs[:, : self._steps_from].any(axis=1)
        count = self._shapes[2][0]
        maps = differs[:, self._steps_from :].reshape(len(states), count, -1).any(axis=2)
        unknown = np.isnan(self._kept_errors[windows]).any(axis=(1, 2))
        steps = maps | (everywhere | unknown)[:, None]
        return np.asarray(self._usable[windows] & steps[:, None])

    def _errors(self, windows: Ints, states: Ints, places: Ints) -> Floats:
        """Return the squared error, summed, of each of N pictures: rows of code, camera, step."""
        self.pictures += len(places)
        found = np.empty(len(places))
        codes = torch.from_numpy(states).float()
        at = np.stack([places[:, 0], windows[places[:, 0]], places[:, 1], places[:, 2]], axis=1)
        rows = torch.from_numpy(at)
        with torch.no_grad():
            for first in range(0, len(rows), TOGETHER):
                some = rows[first : first + TOGETHER]
                shown = (self.pictures_of(codes, some).float().clamp(0, 1) * 255).round()
                truth = self.target.truth[some[:, 1], some[:, 2], some[:, 3]].float()
                error = (shown - truth).square().flatten(1).sum(dim=1, dtype=torch.float64)
                found[first : first + len(some)] = error.numpy()
        return found

    def _mean_error(self, windows: Ints, errors: Floats) -> Floats:
        values = np.maximum(self._counts[windows], 1) * self.target.truth[0, 0, 0].numel()
        return np.asarray(np.where(self._usable[windows], errors, 0).sum(axis=(1, 2)) / values)

    def _energy(self, windows: Ints, errors: Floats, size: Floats) -> Floats:
        return self._mean_error(windows, errors) / self.variance + self.byte_weight * size

    @staticmethod
    def _flat(symbols: Symbols) -> Ints:
        flat = torch.cat([part.flatten(1) for part in symbols], dim=1)
        return flat.round().to(torch.int64).numpy()


def joined(parts: Sequence[Symbols]) -> Symbols:
    """Return the codes of several windows side by side."""
    return Symbols(*(torch.cat(some) for some in zip(*parts, strict=True)))


def _information(codec: Codec, like: Symbols) -> Floats:
    """Return the bits of every value of every symbol of a window: (n, 2 limit + 1)."""
    tables = []
    for name in Symbols._fields:
        prior = codec.priors[name]
        assert isinstance(prior, FactorisedPrior)  # noqa: S101  for the type checker
        counts = prior.table.double().numpy()
        if not counts.any():
            raise ValueError("the prior has no table yet: call tabulate() after training")
        tables.append(TOTAL_BITS - np.log2(counts))
    semantic, key, steps = tables
    cells = like.key[0, 0].numel()
    small = like.steps[0, 0, 0].numel()
    each = np.repeat(steps, small, axis=0)
    return np.concatenate(
        [semantic, np.repeat(key, cells, axis=0), *[each] * like.steps.shape[1]], axis=0
    )
