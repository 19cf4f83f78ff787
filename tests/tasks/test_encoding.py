"""A window's code is a function of the window: other windows and repeats change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from distiller_windows import noise_windows
from registered_distillers import tiny_distiller

from models.codec import Symbols
from models.precision import cpu_precision
from tasks.encode import BATCH_CLIPS, TURNS, batches
from tasks.encoding import TOGETHER, encode_windows

if TYPE_CHECKING:
    import numpy.typing as npt

    from models.precision import Precision

STEPS = 8
PRECISIONS: list[Precision] = ["fp32"] + (["bf16"] if cpu_precision() == "bf16" else [])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As in a worker."""
    torch.set_num_threads(1)


def windows(count: int, cameras: int) -> list[dict[str, npt.NDArray[Any]]]:
    """Return windows of noise as a reader gives them, the last with its second half masked."""
    found = [
        {name: x[0].numpy() for name, x in noise_windows(1, cameras, STEPS, seed).items()}
        for seed in range(count)
    ]
    for name, tensor in found[-1].items():
        if name.startswith("mask_") and name != "mask_text":
            tensor[..., STEPS // 2 :] = False
    return found


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("cameras", [1, 3])
def test_a_window_has_the_same_bytes_alone_and_among_others(
    precision: Precision, cameras: int
) -> None:
    """Bytes, embedding and price are bit-equal, encoded again, alone, or in another order."""
    net, given = tiny_distiller(1), windows(6, cameras)
    whole = encode_windows(net, given, precision)
    alone = [encode_windows(net, [window], precision)[0] for window in given]
    turned = encode_windows(net, given[::-1], precision)[::-1]
    for codes in (alone, turned):
        assert [code.data for code in codes] == [code.data for code in whole]
        for one, other in zip(codes, whole, strict=True):
            assert (one.embedding == other.embedding).all()
            assert one.bits == other.bits
    assert [code.seen for code in whole] == [STEPS] * 5 + [STEPS // 2]
    assert len({code.data for code in whole}) == len(given)


def test_bytes_hold_one_window_of_all_its_steps() -> None:
    """What decodes is one code, whole numbers of the shapes that the config says."""
    net = tiny_distiller(1)
    (code,) = encode_windows(net, windows(1, 2), "fp32")
    found = net.codec.from_bytes(code.data)
    assert isinstance(found, Symbols)
    assert found.steps.shape[:2] == (1, STEPS)
    assert torch.equal(found.key, found.key.round())


def test_an_answer_that_is_not_finite_is_no_code() -> None:
    """A network that overflows is an error of the clip, never a row."""
    net = tiny_distiller(1)
    with torch.no_grad():
        net.to_embedding[1].weight.fill_(float("nan"))
    with pytest.raises(ArithmeticError, match="not finite"):
        encode_windows(net, windows(1, 1), "fp32")


def test_in_fp32_windows_go_alone() -> None:
    """Sums of batches come in another order there, and a symbol may fall the other way."""
    assert TOGETHER["fp32"] == 1


def test_batches_keep_every_core_busy_and_stay_in_order() -> None:
    """Few clips are spread over the cores, many come in larger batches; none is lost."""
    few, many = list(range(20)), list(range(10_000))
    for work in (few, many):
        cut = batches(work, 2)  # type: ignore[type-var,arg-type]  any items
        assert [one for batch in cut for one in batch] == work
        assert len(cut) >= 2 * TURNS - 1
        assert max(len(batch) for batch in cut) <= BATCH_CLIPS
