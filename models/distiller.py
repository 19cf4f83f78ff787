"""The distiller: windows of many cameras and views -> one code -> the pictures of a target.

Tensors in, tensors out, under whatever autocast the caller opened (models/precision.py decides);
sums over time, codes and pictures are fp32. A window is what tasks/windows/reader.py reads:
tensors by name, their masks, `camera`, `camera_known` and `t_ns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.codec import Codec, RealCode, Symbols
from models.combiner import AUDIO_VALUES, TEXT_VALUES, Tokens
from models.conditioning import CameraEmbedding
from models.convolutions import init_layers
from models.distiller_config import DistillerConfig
from models.extractor import FRAME_VIEWS, PIXEL_VIEWS, SKELETON, Extractor
from models.fuser import Fuser, NoMemory
from models.fusions import FUSIONS
from models.target_decoder import TargetDecoder

if TYPE_CHECKING:
    from collections.abc import Mapping

    Windows = Mapping[str, Tensor]


class Query(NamedTuple):
    """What is to be seen: one camera a window, F instants of it."""

    camera: Tensor  # (B, 12)
    known: Tensor  # (B,) bool
    t_ns: Tensor  # (B, F) int64
    slot: Tensor | None = None  # (B,) int64: which camera, where calibration does not say


class Seen(NamedTuple):
    """What the extractor says of all camera-frames of B windows; zero where nothing is there."""

    c4: Tensor  # (B, V, T, C, h, w)
    maps: Tensor  # (B, V, T, pyramid, cells, cells)
    skeleton: Tensor  # (B, V, T, width)
    present: Tensor  # (B, V, T) bool: any view is there
    colours: Tensor  # (B, V, T, 3, cells, cells): the picture's, pooled, as the extractor sees it
    lit: Tensor  # (B, V, T) bool: there is a picture
    camera: Tensor  # (B, V, width)
    t_ns: Tensor  # (B, T)


class Encoded(NamedTuple):
    """The code of B windows, and what else is known where it was made."""

    symbols: Symbols
    embedding: Tensor  # (B, embedding), of length 1
    bits: Tensor  # (B,): what the symbols cost by the prior
    steps: Tensor  # (B, T, embedding): the embedding of each step, of length 1
    latents: Tensor  # (B, T, latents, width), before quantisation: for heads
    present: Tensor  # (B, T) bool: some camera saw something
    t_ns: Tensor  # (B, T)


class Distiller(nn.Module):
    """See the module. Cameras are a set of 1..8, any view of any of them may be absent."""

    def __init__(self, config: DistillerConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or DistillerConfig()
        self.extractor = Extractor(c.channels, c.blocks, c.pyramid, c.width, c.side)
        self.camera = CameraEmbedding(c.width)
        fusion = FUSIONS[c.fusion]
        self.combiner = fusion.combiner(
            c.channels[3], c.side // 16, c.width, c.heads, c.latents, c.layers
        )
        self.join = fusion.join(c.pyramid, c.width)
        self.fuser = Fuser(c.width, c.pyramid) if c.recurrent else NoMemory()
        self.to_embedding = nn.Sequential(nn.LayerNorm(c.width), nn.Linear(c.width, c.embedding))
        self.to_semantic = nn.Sequential(nn.LayerNorm(c.width), nn.Linear(c.width, c.semantic))
        self.to_key = nn.Conv2d(c.pyramid, c.key, 1)
        self.to_step = nn.Conv2d(c.pyramid, c.step, 3, stride=2, padding=1)
        self.codec = Codec(c) if c.quantised else RealCode(c)
        self.decoder = TargetDecoder(c.latents, c.semantic, c.key, c.step, c.cells, c.decoder)
        self.init_weights()
        # As weights.load lays them out: another layout sums in another order, and a code of the
        # model as trained would not be, bit by bit, the code of the model as loaded.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from torch's stub

    def init_weights(self) -> None:
        """Draw every weight; torch's own seed is the randomness. Pictures begin near grey."""
        init_layers(self)
        with torch.no_grad():
            self.decoder.last.weight.mul_(0.1)

    def forward(
        self, windows: Windows, query: Query, cameras: Tensor | None = None, *, causal: bool = True
    ) -> tuple[Tensor, Encoded]:
        """Windows -> the pictures asked for (B, F, 3, side, side), and the code between.

        `cameras` (B, V) bool says which cameras may be used; the rest is as if it were absent.
        """
        encoded = self.encode(windows, cameras, causal=causal)
        return self.decode(encoded.symbols, encoded.t_ns, query), encoded

    def encode(
        self, windows: Windows, cameras: Tensor | None = None, *, causal: bool = True
    ) -> Encoded:
        """Windows -> their code. In evaluation mode its symbols are whole numbers."""
        return self.combine(self.see(windows), windows, cameras, causal=causal)

    def see(self, windows: Windows) -> Seen:
        """Run the extractor over every camera-frame of which any view is there.

        Raises:
            ValueError: if no view of a camera is in `windows`.
        """
        windows = self.config.shown(windows)
        views = {name: windows[name] for name in FRAME_VIEWS if name in windows}
        if not views:
            raise ValueError(f"a window needs one of {FRAME_VIEWS}, got {list(windows)}")
        masks = {name: windows[f"mask_{name}"] for name in views}
        present = torch.stack(list(masks.values())).any(dim=0)
        shape = present.shape
        # Windows are filled up to the most cameras of any: what is not there costs nothing.
        rows = present.flatten().nonzero()[:, 0]
        if not len(rows):
            rows = rows.new_zeros(1)
        pyramid = self.extractor(
            {name: x.flatten(0, 2)[rows] for name, x in views.items()},
            {name: x.flatten()[rows] for name, x in masks.items()},
        )
        maps = pyramid.p3 + functional.avg_pool2d(pyramid.p2, 2)

        def placed(x: Tensor) -> Tensor:
            whole = x.new_zeros(present.numel(), *x.shape[1:])
            return whole.index_copy(0, rows, x).view(*shape, *x.shape[1:])

        t_ns = windows["t_ns"]
        # A camera that a window was filled up with has no time; those there share one grid.
        clock = t_ns.gather(1, t_ns.abs().argmax(dim=1, keepdim=True))[:, 0]
        camera = self.camera(windows["camera"], windows["camera_known"], windows.get("slot"))
        lit = masks.get("rgb", torch.zeros_like(present))
        if "rgb" in views:
            colours = placed(pooled_colours(views["rgb"].flatten(0, 2)[rows], self.config.cells))
        else:
            colours = maps.new_zeros(*shape, 3, self.config.cells, self.config.cells)
        return Seen(
            placed(pyramid.c4),
            placed(maps),
            placed(pyramid.skeleton),
            present,
            colours,
            lit,
            camera,
            clock,
        )

    def combine(
        self,
        seen: Seen,
        windows: Windows,
        cameras: Tensor | None = None,
        *,
        causal: bool = True,
    ) -> Encoded:
        """Make the code of what some of the cameras saw (all, unless `cameras` (B, V) says)."""
        windows = self.config.shown(windows)
        present = seen.present if cameras is None else seen.present & cameras[..., None]
        seconds = ((seen.t_ns - seen.t_ns[:, :1]).double() * 1e-9).float()
        latents = self.combiner(_tokens(seen, windows, present, seconds))
        maps = self.join(seen.maps, seen.camera, present)
        here = present.any(dim=1)  # (B, T)
        latents, maps = self.fuser(latents, maps, here, seconds, causal=causal)
        whole, place = _mean(latents, here), _mean(maps, here)
        each_map = self.to_step(maps.flatten(0, 1)).float()
        still, change = _base(seen, cameras)
        real = Symbols(
            self.to_semantic(whole).float(),
            self.to_key(place).float() + functional.pad(still, _channels(self.config.key - 3)),
            each_map.view(*here.shape, *each_map.shape[1:])
            + functional.pad(change, _channels(self.config.step - 1)),
        )
        symbols = self.codec.quantise(real)
        each = self.to_embedding(latents.mean(dim=2)).float()
        return Encoded(
            symbols=symbols,
            embedding=functional.normalize(self.to_embedding(whole.mean(dim=1)).float(), dim=-1),
            bits=self.codec.bits(symbols),
            steps=functional.normalize(each, dim=-1),
            latents=latents,
            present=here,
            t_ns=seen.t_ns,
        )

    def decode(self, symbols: Symbols, t_ns: Tensor, query: Query) -> Tensor:
        """Codes of windows whose steps are at `t_ns` (B, T) -> (B, F, 3, side, side), unclipped.

        Between two steps their maps are mixed; before the first and after the last theirs hold.
        """
        batch, count = query.t_ns.shape
        real = self.codec.restore(symbols)
        start = t_ns[:, :1]
        at = ((query.t_ns - start).double() * 1e-9).float()
        grid = ((t_ns - start).double() * 1e-9).float()
        # Products and sums, here and in `_mean`: autocast would run an einsum in bf16.
        mix = _between(at, grid)[..., None, None, None]  # (B, F, T, 1, 1, 1)
        step = (mix * real.steps[:, None]).sum(dim=2)
        condition = self.decoder.camera(query.camera, query.known, query.slot)
        frames: Tensor = self.decoder(
            *(x.repeat_interleave(count, dim=0) for x in (real.semantic, real.key)),
            step.flatten(0, 1),
            condition.repeat_interleave(count, dim=0),
            at.flatten(),
        )
        return frames.view(batch, count, *frames.shape[1:])

    def serve(self, rgb: Tensor) -> Tensor:
        """(B, V, T, 3, h, w) in 0..255, 80 ms apart -> embeddings (B, embedding).

        What the registry's model service answers: cameras unknown, every frame there.
        """
        shape = rgb.shape[:3]
        there = rgb.new_ones(shape, dtype=torch.bool)
        steps = torch.arange(shape[2], device=rgb.device) * 80_000_000
        windows = {
            "rgb": rgb,
            "mask_rgb": there,
            "camera": rgb.new_zeros(*shape[:2], 12),
            "camera_known": ~there[:, :, 0],
            "t_ns": steps.expand(shape),
        }
        return self.encode(windows).embedding


def _tokens(seen: Seen, windows: Windows, present: Tensor, seconds: Tensor) -> Tokens:
    """Gather what the combiner reads; sound, text and skeletons that are no tensor are absent."""
    batch, _, steps = present.shape
    like = seen.camera
    false = present.new_zeros(())
    nobody = false.expand_as(present)
    return Tokens(
        seen.c4,
        present,
        seen.skeleton,
        windows.get(f"mask_{SKELETON}", nobody),
        seen.camera,
        windows.get("audio", like.new_zeros(batch, steps, AUDIO_VALUES, 1)),
        windows.get("mask_audio", false.expand(batch, steps)),
        windows.get("text", like.new_zeros(batch, TEXT_VALUES)),
        windows.get("mask_text", false.expand(batch)),
        seconds,
    )


def pooled_colours(rgb: Tensor, cells: int) -> Tensor:
    """(N, 3, h, w) in 0..255 -> (N, 3, cells, cells), normalised as the extractor does."""
    view = PIXEL_VIEWS["rgb"]
    return (functional.adaptive_avg_pool2d(rgb.float(), cells) - view.middle) / view.spread


def _base(seen: Seen, cameras: Tensor | None) -> tuple[Tensor, Tensor]:
    """What the code's maps begin from: colours that stay, (B, 3, c, c), and changes of light.

    The changes are each step's, (B, T, 1, c / 2, c / 2). Means over the cameras there are.
    """
    lit = seen.lit if cameras is None else seen.lit & cameras[..., None]
    weight = lit.float()[..., None, None, None]  # (B, V, T, 1, 1, 1)
    total, count = (seen.colours * weight).sum(dim=1), weight.sum(dim=1)
    each = total / count.clamp(min=1)
    still = total.sum(dim=1) / count.sum(dim=1).clamp(min=1)
    light = (each - still[:, None]).mean(dim=2, keepdim=True) * (count > 0)
    change = functional.avg_pool2d(light.flatten(0, 1), 2)
    return still, change.view(*light.shape[:3], *change.shape[2:])


def _channels(more: int) -> tuple[int, ...]:
    """Padding that appends so many channels of zeros to a map."""
    return (0, 0, 0, 0, 0, more)


def _mean(x: Tensor, here: Tensor) -> Tensor:
    """Mean of (B, T, ...) over the steps at which some camera was there; zero if none was."""
    weight = here.float()
    weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1)
    return (x * weight.view(*weight.shape, *[1] * (x.ndim - 2))).sum(dim=1)


def _between(at: Tensor, grid: Tensor) -> Tensor:
    """Weights (B, F, T) of linear interpolation at (B, F) between the instants (B, T)."""
    if grid.shape[1] == 1:
        return torch.ones_like(at)[..., None]
    at = torch.minimum(torch.maximum(at, grid[:, :1]), grid[:, -1:]).contiguous()
    upper = torch.searchsorted(grid.contiguous(), at).clamp(1, grid.shape[1] - 1)
    low, high = grid.gather(1, upper - 1), grid.gather(1, upper)
    share = ((at - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)[..., None]
    below = functional.one_hot(upper - 1, grid.shape[1]) * (1 - share)
    return below + functional.one_hot(upper, grid.shape[1]) * share
