"""A distiller's codec with other steps than it was trained with: a coarser or a finer code.

Tensors in, tensors out. The priors are densities over real numbers in units of a step: of another
step they are known exactly, and so are the coder's tables. Nothing is fitted anew.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch

from models.entropy import FactorisedPrior
from models.quantiser import Quantiser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.codec import Codec

# Past this every symbol is 0: a part of infinite step is left out.
LARGEST = 1e6


def rescaled(codec: Codec, factors: Mapping[str, float]) -> Codec:
    """Return a codec whose parts ("semantic", "key", "steps") have steps so many times as large."""
    found = copy.deepcopy(codec)
    with torch.no_grad():
        for name, factor in factors.items():
            by = math.log(min(factor, LARGEST))
            quantiser, prior = found.quantisers[name], found.priors[name]
            assert isinstance(quantiser, Quantiser)
            assert isinstance(prior, FactorisedPrior)
            quantiser.log_step += by
            prior.middle *= math.exp(-by)
            prior.log_scale -= by
    found.tabulate()
    return found
