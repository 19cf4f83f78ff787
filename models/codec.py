"""The code of a window as whole numbers and as bytes: quantisers, priors, the real coder.

Tensors in, tensors or bytes out. Three parts: what a window means (latents), where things lie in
it (the key map), and what each step changes (step maps). `RealCode` has the same call and leaves
numbers as they are: what quantisation costs is measured against it.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.entropy import FactorisedPrior
from models.quantiser import Quantiser
from models.range_coder import packed, sizes_of, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from models.distiller_config import DistillerConfig


class Symbols(NamedTuple):
    """The code of B windows of T steps; whole numbers, or noisy ones in training."""

    semantic: Tensor  # (B, latents, semantic)
    key: Tensor  # (B, key, cells, cells)
    steps: Tensor  # (B, T, step, cells / 2, cells / 2)


class Codec(nn.Module):
    """Real numbers <-> symbols <-> bytes, and what the symbols cost."""

    def __init__(self, config: DistillerConfig) -> None:
        super().__init__()
        self.config = config
        sizes = {
            # Each number of each latent has its own meaning, so its own step and distribution.
            "semantic": config.latents * config.semantic,
            "key": config.key,
            "steps": config.step,
        }
        self.quantisers = nn.ModuleDict({k: Quantiser(n, config.limit) for k, n in sizes.items()})
        self.priors = nn.ModuleDict({k: FactorisedPrior(n, config.limit) for k, n in sizes.items()})

    def quantise(self, real: Symbols) -> Symbols:
        """Real numbers -> symbols, noisy while `training`."""
        return self._each(real, {k: self.quantisers[k].forward for k in Symbols._fields})

    def restore(self, symbols: Symbols) -> Symbols:
        """Symbols -> the real numbers that they stand for."""
        return self._each(symbols, {k: _quantiser(self, k).restore for k in Symbols._fields})

    def bits(self, symbols: Symbols) -> Tensor:
        """Return the estimated information of each window: (B,) bits, fp32."""
        costs = self._each(symbols, {k: _prior(self, k).bits for k in Symbols._fields})
        return torch.stack([part.flatten(1).sum(dim=1) for part in costs]).sum(dim=0)

    def tabulate(self) -> None:
        """Write the coder's tables from the priors: after training, before any byte."""
        for name in Symbols._fields:
            _prior(self, name).tabulate()

    def to_bytes(self, symbols: Symbols) -> bytes:
        """Return one stream of the codes of a batch of windows.

        Raises:
            ValueError: if there is no table yet, or a symbol is not whole or beyond the limit.
        """
        parts = []
        for part in _by_channel(symbols):
            flat = part.detach().transpose(0, 1).flatten(1).cpu()
            if not torch.equal(flat, flat.round()):
                raise ValueError("only whole numbers are coded: encode in evaluation mode")
            parts.append(flat.to(torch.int32).numpy())
        return packed(parts, self._tables(), symbols.steps.shape[:2])

    def from_bytes(self, stream: bytes) -> Symbols:
        """Return the symbols of a stream, as `to_bytes` got them, fp32.

        Raises:
            ValueError: if the stream was damaged, or another model's.
        """
        config = self.config
        (batch, steps), _ = sizes_of(stream, 2)
        whole, half = config.cells, config.cells // 2
        lengths = (batch, batch * whole**2, batch * steps * half**2)
        arrays = unpacked(stream, self._tables(), lengths, sizes=2)
        semantic, key, each = (torch.from_numpy(array.astype(np.float32)) for array in arrays)
        return Symbols(
            semantic.view(config.latents, config.semantic, batch).permute(2, 0, 1),
            key.view(-1, batch, whole, whole).transpose(0, 1),
            each.view(-1, batch, steps, half, half).permute(1, 2, 0, 3, 4),
        )

    def _tables(self) -> list[npt.NDArray[np.int32]]:
        return [_prior(self, name).table.cpu().numpy() for name in Symbols._fields]

    def _each(self, given: Symbols, by: dict[str, Callable[[Tensor], Tensor]]) -> Symbols:
        semantic, key, steps = _by_channel(given)
        return Symbols(
            by["semantic"](semantic).view_as(given.semantic),
            by["key"](key),
            by["steps"](steps).transpose(1, 2),
        )


class RealCode(nn.Module):
    """In the place of `Codec`: symbols are real numbers without noise, 32 bits each."""

    def __init__(self, config: DistillerConfig) -> None:
        super().__init__()
        self.config = config

    def quantise(self, real: Symbols) -> Symbols:
        """Return them as they are."""
        return Symbols(*(part.float() for part in real))

    def restore(self, symbols: Symbols) -> Symbols:
        """Return them as they are."""
        return symbols

    def bits(self, symbols: Symbols) -> Tensor:
        """Return 32 for each number: (B,) fp32, without gradient."""
        numbers = sum(part[0].numel() for part in symbols)
        return symbols.semantic.new_full((len(symbols.semantic),), 32.0 * numbers)

    def tabulate(self) -> None:
        """Do nothing: there is no coder."""

    def to_bytes(self, symbols: Symbols) -> bytes:
        """Return the numbers as they are, fp32 in little endian, behind how many there are."""
        sizes = np.array(symbols.steps.shape[:2], "<u4")
        parts = [part.detach().cpu().numpy().astype("<f4") for part in symbols]
        return b"".join(array.tobytes() for array in (sizes, *parts))

    def from_bytes(self, stream: bytes) -> Symbols:
        """Return the symbols of a stream, as `to_bytes` got them, fp32.

        Raises:
            ValueError: if the stream was cut, or is another model's.
        """
        c = self.config
        batch, steps = np.frombuffer(stream[:8].ljust(8, b"\0"), "<u4").tolist()
        shapes = (
            (batch, c.latents, c.semantic),
            (batch, c.key, c.cells, c.cells),
            (batch, steps, c.step, c.cells // 2, c.cells // 2),
        )
        ends = [0, *accumulate(map(math.prod, shapes))]
        if len(stream) != 8 + 4 * ends[-1]:
            raise ValueError(f"a stream of {len(stream)} bytes is not of this model's numbers")
        numbers = np.frombuffer(stream, "<f4", offset=8).astype(np.float32)
        parts = (numbers[a:b] for a, b in pairwise(ends))
        return Symbols(*(torch.from_numpy(x).view(s) for x, s in zip(parts, shapes, strict=True)))


def _by_channel(given: Symbols) -> tuple[Tensor, Tensor, Tensor]:
    """Return the parts with channels on axis 1."""
    return given.semantic.flatten(1), given.key, given.steps.transpose(1, 2)


def _quantiser(codec: Codec, name: str) -> Quantiser:
    part = codec.quantisers[name]
    assert isinstance(part, Quantiser)  # noqa: S101  for the type checker
    return part


def _prior(codec: Codec, name: str) -> FactorisedPrior:
    part = codec.priors[name]
    assert isinstance(part, FactorisedPrior)  # noqa: S101  for the type checker
    return part
