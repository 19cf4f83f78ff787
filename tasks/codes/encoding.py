"""Windows of one clip -> their codes. Pure: a window gives the same bytes, whatever else is read.

`infra/decisions/0018-encoding.md` has what was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.codec import Symbols
from models.distiller import Distiller, Encoded
from models.precision import autocast
from tasks.windows.sets import as_torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from models.precision import Precision
    from models.window_encoder import Embedded, WindowEncoder

    Window = Mapping[str, npt.NDArray[Any]]

# Windows that go through the network together. A clip is never mixed with others: then neither
# batches nor workers can change its codes. In bf16 its windows are one batch, which gave the same
# bytes as each alone; in fp32 sums come in another order, and now and then a symbol falls the
# other way (3 of 379,392), so there each goes alone.
TOGETHER: dict[Precision, int] = {"bf16": 16, "fp32": 1}


@dataclass(frozen=True, slots=True)
class WindowCode:
    """The code of a window: `embedding` (embedding,) fp32 of length 1, `data` by the range coder.

    `bits` is what the prior says it costs, `seen` at how many steps a camera saw something. An
    encoder that has no coder gives no bytes, which cost nothing.
    """

    embedding: npt.NDArray[np.float32]
    data: bytes
    bits: float
    seen: int


def encode_windows(
    net: WindowEncoder, windows: Sequence[Window], precision: Precision
) -> list[WindowCode]:
    """Encode the windows of one clip, each with tensors (V, T, ...) of the same cameras.

    Raises:
        ArithmeticError: the network's answer is not finite.
        ValueError: the network's codec has no tables, or a symbol is beyond them.
    """
    found: list[WindowCode] = []
    most = TOGETHER[precision]
    for at in range(0, len(windows), most):
        found += _encoded(net, windows[at : at + most], precision)
    return found


def _encoded(
    net: WindowEncoder, windows: Sequence[Window], precision: Precision
) -> list[WindowCode]:
    batch = {name: np.stack([window[name] for window in windows]) for name in windows[0]}
    with torch.inference_mode(), autocast(precision):
        encoded = net.encode(as_torch(batch))
    if not encoded.embedding.isfinite().all():
        raise ArithmeticError("the network's answer is not finite")
    found = []
    for k in range(len(windows)):
        data, bits = coded(net, encoded, k)
        found.append(
            WindowCode(
                embedding=encoded.embedding[k].float().numpy().copy(),
                data=data,
                bits=bits,
                seen=int(encoded.present[k].sum()),
            )
        )
    return found


def coded(net: WindowEncoder, encoded: Embedded, k: int) -> tuple[bytes, float]:
    """Return the bytes of window `k` and what the prior says they cost, in bits.

    Raises:
        ArithmeticError: they have no finite price.
        ValueError: the network's codec has no tables, or a symbol is beyond them.
    """
    if not isinstance(net, Distiller) or not isinstance(encoded, Encoded):
        return b"", 0.0
    symbols = Symbols(*(part[k : k + 1] for part in encoded.symbols))
    with torch.inference_mode():
        # Again by itself: a sum over a batch differs in its last bits.
        bits = float(net.codec.bits(symbols))
    if not math.isfinite(bits):
        raise ArithmeticError("the network's answer is not finite")
    return net.codec.to_bytes(symbols), bits
