"""MiniLM as a frozen sentence encoder (Wang et al., NeurIPS 2020, arXiv:2002.10957).

A BERT encoder (Devlin et al., 2019) of six layers, mean over tokens, length 1 (Reimers and
Gurevych, 2019). Reads and writes nothing; the weights come from an asset. Module names follow the
published checkpoint, so a state dict loads without renaming.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

VOCABULARY, POSITIONS = 30_522, 512
WIDTH, HEADS, HIDDEN, LAYERS = 384, 12, 1536, 6
EPSILON = 1e-12


class Embeddings(nn.Module):
    """The sum of what a token is, where it stands, and that there is one segment."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(VOCABULARY, WIDTH)
        self.position_embeddings = nn.Embedding(POSITIONS, WIDTH)
        self.token_type_embeddings = nn.Embedding(2, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, EPSILON)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) integers below `VOCABULARY`, L at most `POSITIONS` -> (B, L, 384)."""
        positions = self.position_embeddings(torch.arange(tokens.shape[1], device=tokens.device))
        segment = self.token_type_embeddings.weight[0]
        total: Tensor = self.LayerNorm(self.word_embeddings(tokens) + positions + segment)
        return total


class _Projection(nn.Module):
    """A linear map, added to what it is beside, and a norm."""

    def __init__(self, c_in: int) -> None:
        super().__init__()
        self.dense = nn.Linear(c_in, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, EPSILON)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        total: Tensor = self.LayerNorm(self.dense(x) + beside)
        return total


class Layer(nn.Module):
    """Self-attention over all tokens and a perceptron on each."""

    def __init__(self) -> None:
        super().__init__()
        names = ("query", "key", "value")
        own = nn.ModuleDict({name: nn.Linear(WIDTH, WIDTH) for name in names})
        self.attention = nn.ModuleDict({"self": own, "output": _Projection(WIDTH)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, HIDDEN)})
        self.output = _Projection(HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, 384) -> (B, L, 384)."""
        own = cast("nn.ModuleDict", self.attention["self"])
        query, key, value = (
            layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)  # (B, heads, L, 32)
            for layer in (own["query"], own["key"], own["value"])
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = self.attention["output"](mixed.transpose(1, 2).flatten(2), x)
        hidden = functional.gelu(self.intermediate["dense"](x))
        found: Tensor = self.output(hidden, x)
        return found


class SentenceEncoder(nn.Module):
    """Tokens of one text to its vector; texts of other lengths are other calls, not padding."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer() for _ in range(LAYERS))})

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) integers, no padding -> (B, 384) of length 1."""
        x = self.embeddings(tokens)
        for layer in cast("nn.ModuleList", self.encoder["layer"]):
            x = layer(x)
        return functional.normalize(x.mean(dim=1), dim=1)
