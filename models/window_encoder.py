"""What encodes windows: the protocol that a model keeps so that reindex and search can use it.

Tensors in, tensors out. A distiller encodes, and so does any smaller network that gives a window
an embedding and no coded bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

# Numbers of a stored embedding: SQL casts it to FLOAT[128].
EMBEDDING = 128


class Embedded(Protocol):
    """What any encoder says of B windows."""

    @property
    def embedding(self) -> Tensor:
        """(B, E) fp32, of length 1; zeros where nothing was seen."""

    @property
    def present(self) -> Tensor:
        """(B, T) bool: at which steps some camera saw something."""


class EncoderConfig(Protocol):
    """The part of a config that others read."""

    @property
    def embedding(self) -> int:
        """The numbers of an embedding."""

    @property
    def views(self) -> tuple[str, ...]:
        """The tensors of a window that are looked at; each of them may be absent."""


@runtime_checkable
class WindowEncoder(Protocol):
    """A module that encodes windows of 1..8 cameras, as `tasks/windows/reader.py` reads them."""

    @property
    def config(self) -> EncoderConfig:
        """Its sizes."""

    def encode(self, windows: Mapping[str, Tensor], cameras: Tensor | None = None) -> Embedded:
        """Encode B windows (B, V, T, ...); `cameras` (B, V) bool says which may be used (all)."""


class Coordinates(NamedTuple):
    """What an encoder without coded bytes says of B windows: see `Embedded`."""

    embedding: Tensor
    present: Tensor


def unit_embedding(x: Tensor, width: int = EMBEDDING) -> Tensor:
    """(B, D) of any length -> (B, width) fp32 of length 1, zeros appended; zeros stay zeros.

    Appended zeros change neither length nor cosine.

    Raises:
        ValueError: D is more than `width`.
    """
    if x.shape[1] > width:
        raise ValueError(f"{x.shape[1]} numbers do not fit an embedding of {width}")
    return functional.pad(functional.normalize(x.float(), dim=1), (0, width - x.shape[1]))
