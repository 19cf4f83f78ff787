"""How likely a symbol is: a factorised prior per channel, and the table that a coder reads.

Tensors in, tensors out. The density of a channel is a mixture of three logistic ones, closed form
in the forward pass and flexible enough for skewed or two-peaked channels; a factorised prior as of
Balle et al. 2018 (arXiv:1802.01436). The table is counts, not floats, and is saved with the
weights: two machines that compute a sigmoid differently in its last bit still decode alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

MIXTURES = 3
TOTAL_BITS = 16  # the counts of a channel add up to 2^16; no symbol has less than one
LEAST = 2.0**-TOTAL_BITS


class FactorisedPrior(nn.Module):
    """Probabilities of whole numbers -limit..limit, a distribution per channel; axis 1."""

    table: Tensor

    def __init__(self, channels: int, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.middle = nn.Parameter(torch.linspace(-2, 2, MIXTURES).repeat(channels, 1))
        self.log_scale = nn.Parameter(torch.full((channels, MIXTURES), math.log(2.0)))
        self.weight = nn.Parameter(torch.zeros(channels, MIXTURES))
        # Counts, (channels, 2 limit + 1); all zero until `tabulate`.
        self.register_buffer("table", torch.zeros(channels, 2 * limit + 1, dtype=torch.int32))

    def bits(self, symbols: Tensor) -> Tensor:
        """Symbols (B, C, ...), noisy or whole -> their information in bits, same shape."""
        x = symbols.float().transpose(0, 1)
        flat = x.reshape(x.shape[0], -1)  # (C, n)
        found = -torch.log2(self._probability(flat).clamp(min=LEAST))
        return found.view(x.shape).transpose(0, 1)

    def _probability(self, flat: Tensor) -> Tensor:
        """Mass of the unit interval about each of (C, n)."""
        at = flat[..., None] - self.middle[:, None]
        scale = self.log_scale.exp()[:, None]
        # Far from the middle two sigmoids near 1 cancel: mirrored they are near 0.
        side = -at.detach().sign()
        high, low = ((side * (at + d) / scale).sigmoid() for d in (0.5, -0.5))
        mass = torch.where(at.detach() == 0, torch.tanh(0.25 / scale), (high - low).abs())
        return (mass * functional.softmax(self.weight, dim=1)[:, None]).sum(dim=-1)

    @torch.no_grad()
    def tabulate(self) -> None:
        """Write the table from the prior as it is now: after training, before coding."""
        count = 2 * self.limit + 1
        symbols = torch.arange(-self.limit, self.limit + 1, device=self.middle.device)
        p = self._probability(symbols.float().expand(len(self.middle), -1)).double()
        # Clipped values come to the ends, so the tails belong there.
        beyond = (1 - p.sum(dim=1, keepdim=True)).clamp(min=0) / 2
        p[:, :1] += beyond
        p[:, -1:] += beyond
        counts = 1 + (p / p.sum(dim=1, keepdim=True) * (2**TOTAL_BITS - count)).floor()
        counts.scatter_add_(
            1, counts.argmax(1, keepdim=True), 2**TOTAL_BITS - counts.sum(1, keepdim=True)
        )
        self.table.copy_(counts.to(torch.int32))
