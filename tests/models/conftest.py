"""For the tests of networks: the distiller that several files ask, and one thread.

Two threads that wait for each other on a busy machine are slower: the distiller's files took 9 s
with one, up to 101 s with two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from models.distiller import Distiller
from models.distiller_config import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def net() -> Distiller:
    """The ci preset in evaluation mode, its coder ready."""
    torch.manual_seed(0)
    model = Distiller(PRESETS["ci"]).eval()
    model.codec.tabulate()
    return model
