"""The head that tells actions from the code of a window: linear on it, or attentive pooling first.

Tensors in, tensors out. Attentive pooling is that of Ilse et al., "Attention-based Deep Multiple
Instance Learning" (ICML 2018), over the code's latents.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

KINDS = ("embedding", "attentive")


@dataclass(frozen=True)
class ActionConfig:
    """Names of the classes and sizes of a code: `latents` of `semantic` numbers, an embedding."""

    names: tuple[str, ...]
    kind: str = "embedding"
    latents: int = 16
    semantic: int = 16
    embedding: int = 128
    width: int = 32

    def __post_init__(self) -> None:
        """Refuse what makes no classifier.

        Raises:
            ValueError: naming the field.
        """
        # JSON has lists only.
        object.__setattr__(self, "names", tuple(self.names))
        if len(set(self.names)) != len(self.names) or len(self.names) < 2:
            raise ValueError(f"needs two names or more, each once; got {self.names[:5]}")
        if self.kind not in KINDS:
            raise ValueError(f"kind must be of {KINDS}, got {self.kind}")

    @property
    def size(self) -> int:
        """Numbers of a code, latents first."""
        return self.latents * self.semantic + self.embedding


class ActionHead(nn.Module):
    """(B, size) -> logits (B, classes)."""

    mean: Tensor
    spread: Tensor

    def __init__(self, config: ActionConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.size))
        self.register_buffer("spread", torch.ones(config.size))
        attentive = config.kind == "attentive"
        self.value = nn.Linear(config.semantic, config.width)
        self.score = nn.Linear(config.width, 1)
        self.place = nn.Parameter(torch.zeros(config.latents, config.width))
        self.out = nn.Linear(config.width if attentive else config.embedding, len(config.names))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def standardise(self, codes: Tensor) -> None:
        """Take mean and spread from codes (N, size); what is constant is left as it is."""
        self.mean.copy_(codes.mean(dim=0))
        spread = codes.std(dim=0, unbiased=False)
        self.spread.copy_(torch.where(spread > 1e-6, spread, torch.ones_like(spread)))

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits."""
        c = self.config
        x = (codes.float() - self.mean) / self.spread
        if c.kind == "embedding":
            logits: Tensor = self.out(x[:, c.latents * c.semantic :])
            return logits
        tokens = x[:, : c.latents * c.semantic].reshape(-1, c.latents, c.semantic)
        values = torch.tanh(self.value(tokens) + self.place)  # (B, latents, width)
        share = self.score(values).softmax(dim=1)
        pooled: Tensor = self.out((share * values).sum(dim=1))
        return pooled

    def serve(self, codes: Tensor) -> Tensor:
        """Codes (B, size) -> probabilities (B, classes)."""
        return self.forward(codes).softmax(dim=1)
