"""Recurrent video super-resolution, x2 or x4: RLSP (Fuoli et al. 2019, arXiv:1909.08080), lite.

Tensors in, tensors out. Each step sees three low-resolution frames, the previous output and a
hidden state, and adds detail to the antialiased bicubic enlargement. Untrained it *is* bicubic.
Its multi-source variant also sees, at each step, what another camera shows of the same place: one
frame warped onto the output's grid, and where that is to be believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.precision import autocast
from models.resample import upsample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.precision import Precision

# Leaky: at a learning rate of 4e-3 plain ReLU learned nothing (+.02 dB over bicubic after 300
# steps), leaky units did (+1.6 dB after 400 smaller ones).
SLOPE = 0.1
# Channels of a reference at the output's size: red, green, blue and how far it is to be believed.
REFERENCE = 4


@dataclass(frozen=True)
class SuperResolutionConfig:
    """Sizes of the network. The default has 64,988 parameters and 1.6 GFLOP at 112 -> 224 px.

    Width 32 and hidden 48 rather than 36 and 32: as many weights, but multiples of 16, which
    oneDNN does not pad: 9.2 against 13.0 ms in fp32, 5.0 against 6.1 in bf16 at 112 -> 224 (2 Zen
    cores).
    """

    scale: Literal[2, 4] = 2
    width: int = 32  # channels between the convolutions
    hidden: int = 48  # channels of the state carried from frame to frame
    layers: int = 5  # 3x3 convolutions a frame: reach 11 x 11 low-resolution pixels
    reference: bool = False  # whether a step takes a warped frame of another camera

    def __post_init__(self) -> None:
        """Refuse sizes that make no network.

        Raises:
            ValueError: naming the field.
        """
        if self.scale not in (2, 4):
            raise ValueError(f"scale must be 2 or 4, got {self.scale}")
        if self.layers < 2:
            raise ValueError(f"layers must be at least 2, got {self.layers}")
        if min(self.width, self.hidden) < 1:
            raise ValueError(f"width and hidden must be positive: {self.width}, {self.hidden}")

    @property
    def detail(self) -> int:
        """Channels of one output frame folded to low resolution."""
        return 3 * self.scale**2

    @property
    def reach(self) -> int:
        """Low-resolution pixels to each side that one step looks: of the convolutions, of cubic."""
        return max(self.layers, 2)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels before the first, between, and after the last convolution."""
        inner = (self.width,) * (self.layers - 1)
        seen = 9 + self.detail + self.hidden
        if self.reference:
            seen += REFERENCE * self.scale**2
        return (seen, *inner, self.detail + self.hidden)


class SuperResolution(nn.Module):
    """One step a frame, causal but for one frame of look-ahead. Colours are rgb 0..1."""

    def __init__(self, config: SuperResolutionConfig | None = None) -> None:
        super().__init__()
        self.config = config or SuperResolutionConfig()
        convs = [nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(self.config.channels)]
        self.inner = nn.ModuleList(convs[:-1])
        self.last = convs[-1]
        self.init_weights()

    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """He-normal everywhere, zero for the rows that write detail: the start is bicubic.

        The rows that write the hidden state are drawn: memory carries something from step one.
        """
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d) and conv.bias is not None:
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)
                nn.init.zeros_(conv.bias)
        with torch.no_grad():
            self.last.weight[: self.config.detail].zero_()

    def step(
        self,
        x_prev: Tensor,
        x: Tensor,
        x_next: Tensor,
        y_prev: Tensor,
        hidden: Tensor,
        reference: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One frame: three of (B, 3, h, w), (B, 3, sh, sw), (B, hidden, h, w) -> (y, hidden).

        y is (B, 3, sh, sw) in fp32 and not clipped; the convolutions follow autocast. A `reference`
        (B, 4, sh, sw) is rgb, and 0..1 where it is valid; a network that takes one and is given
        none is told that no pixel of it is valid.

        Raises:
            ValueError: a network of one source is given a reference.
        """
        config = self.config
        seen = [x_prev, x, x_next, functional.pixel_unshuffle(y_prev, config.scale), hidden]
        if config.reference:
            if reference is None:
                reference = y_prev.new_zeros(y_prev.shape[0], REFERENCE, *y_prev.shape[-2:])
            seen.append(functional.pixel_unshuffle(reference, config.scale))
        elif reference is not None:
            raise ValueError("this network has one source and takes no reference")
        # (B, 9 + 3 s^2 + hidden (+ 4 s^2), h, w)
        state = torch.cat(seen, dim=1).contiguous(memory_format=torch.channels_last)
        for conv in self.inner:
            state = functional.leaky_relu(conv(state), SLOPE)
        # Sums and state are fp32: bf16 has 8 bits of mantissa, less than the picture has.
        detail, hidden = self.last(state).float().split([config.detail, config.hidden], dim=1)
        y = upsample(x, config.scale) + functional.pixel_shuffle(detail, config.scale)
        return y, functional.leaky_relu(hidden, SLOPE)

    def start(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The state before a first frame x (B, 3, h, w): its bicubic enlargement, and zeros."""
        hidden = x.new_zeros(x.shape[0], self.config.hidden, *x.shape[-2:])
        return upsample(x, self.config.scale), hidden

    def forward(self, lr: Tensor, reference: Tensor | None = None) -> Tensor:
        """(B, T, 3, h, w) in 0..1 -> (B, T, 3, sh, sw); the first and last frames are repeated.

        `reference` is (B, T, 4, sh, sw): see `step`.

        Raises:
            ValueError: if the shape is another.
        """
        if lr.ndim != 5 or lr.shape[2] != 3 or lr.shape[1] < 1:
            raise ValueError(f"needs (B, T >= 1, 3, h, w), got {tuple(lr.shape)}")
        frames = lr.unbind(1)
        y, hidden = self.start(frames[0])
        outputs = []
        for t, x in enumerate(frames):
            following = frames[min(t + 1, len(frames) - 1)]
            other = None if reference is None else reference[:, t]
            y, hidden = self.step(frames[max(t - 1, 0)], x, following, y, hidden, other)
            outputs.append(y)
        return torch.stack(outputs, dim=1)

    def serve(self, lr: Tensor) -> Tensor:
        """As `forward`, clipped to 0..1: what the registry's model service answers."""
        return self(lr).clamp(0, 1)  # type: ignore[no-any-return]  # a module's call is untyped

    @torch.no_grad()
    def stream(
        self,
        frames: Iterable[Tensor],
        *,
        precision: Precision = "fp32",
        references: Iterable[Tensor | None] | None = None,
        rows: int | None = None,
    ) -> Iterator[Tensor]:
        """Frames (3, h, w) in, frames (3, sh, sw) out, one behind, in constant memory.

        Equal to `forward` on the whole clip, any length. Of `references` (4, sh, sw) one is taken
        a frame. With `rows` a step is made in bands of so many rows of the input, which is equal
        and takes less memory (see `banded_step`). Give the precision here rather than around the
        loop: an autocast context held over a yield changes the caller's arithmetic too.
        """
        source = iter(frames)
        others = repeat(None) if references is None else iter(references)
        current = next(source, None)
        if current is None:
            return
        x = current[None]
        x_prev = x
        y, hidden = self.start(x)
        ended = False
        while not ended:
            following = next(source, None)
            ended = following is None
            x_next = x if following is None else following[None]
            other = next(others)
            reference = None if other is None else other[None]
            with autocast(precision):
                if rows is None:
                    y, hidden = self.step(x_prev, x, x_next, y, hidden, reference)
                else:
                    y = banded_step(self, (x_prev, x, x_next), y, hidden, reference, rows=rows)
            yield y[0]
            x_prev, x = x, x_next


def banded_step(
    net: SuperResolution,
    three: tuple[Tensor, Tensor, Tensor],
    y_prev: Tensor,
    hidden: Tensor,
    reference: Tensor | None,
    *,
    rows: int,
) -> Tensor:
    """Make one step in bands of `rows` input rows: return y; `hidden` is overwritten.

    Each band is computed with `reach` more rows on either side, from the state of the whole
    picture before this step, so the result is that of `step`, whatever the length of the clip:
    tiles that each kept a state of their own would differ from the second frame on. What a step
    holds between its convolutions is of one band alone.

    Raises:
        ValueError: if `rows` is not positive.
    """
    if rows < 1:
        raise ValueError(f"a band must have a row at least, got {rows}")
    s, reach, height = net.config.scale, net.config.reach, hidden.shape[-2]
    y = torch.empty_like(y_prev)
    # The rows just above a band have been overwritten by the band before it: as they were.
    above = hidden[..., :0, :]
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(0, top - reach), min(height, bottom + reach)
        low, high = slice(first, last), slice(s * first, s * last)
        state = torch.cat([above, hidden[..., top:last, :]], dim=-2)
        x_prev, x, x_next = (frame[..., low, :] for frame in three)
        part, after = net.step(
            x_prev,
            x,
            x_next,
            y_prev[..., high, :],
            state,
            None if reference is None else reference[..., high, :],
        )
        # The band after this one begins at `bottom` and looks `reach` rows up.
        above = state[..., max(0, bottom - reach) - first : bottom - first, :].clone()
        kept = slice(top - first, bottom - first)
        hidden[..., top:bottom, :] = after[..., kept, :]
        y[..., s * top : s * bottom, :] = part[..., s * kept.start : s * kept.stop, :]
    return y


def parameter_count(config: SuperResolutionConfig) -> int:
    """Weights and biases of the network."""
    return sum(9 * a * b + b for a, b in pairwise(config.channels))


def flops_per_frame(config: SuperResolutionConfig, h: int, w: int) -> int:
    """Operations of the convolutions for one low-resolution frame of h x w; 2 a multiply-add."""
    return 2 * h * w * sum(9 * a * b for a, b in pairwise(config.channels))
