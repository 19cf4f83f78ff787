"""A window's code is a function of the window: other windows and repeats change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from distiller_windows import noise_windows
from registered_distillers import tiny_distiller
from torch import Tensor, nn

from models.codec import Symbols
from models.distiller_config import DistillerConfig
from models.precision import cpu_precision
from models.window_encoder import EMBEDDING, Coordinates, WindowEncoder, unit_embedding
from tasks.codes.camera_codes import camera_codes
from tasks.codes.encode import BATCH_CLIPS, TURNS, batch_size, batches
from tasks.codes.encoding import TOGETHER, encode_windows

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class MeanColour(nn.Module):
    """The plainest encoder there is: the mean colour of what the cameras saw, and no coder."""

    config = DistillerConfig(embedding=EMBEDDING, views=("rgb",))

    def encode(self, windows: Mapping[str, Tensor], cameras: Tensor | None = None) -> Coordinates:
        """Take the mean over cameras and steps."""
        there = windows["mask_rgb"] if cameras is None else windows["mask_rgb"] & cameras[..., None]
        colours = windows["rgb"].float().mean(dim=(-1, -2)) * there[..., None]
        return Coordinates(unit_embedding(colours.sum(dim=(1, 2))), there.any(dim=1))


def test_an_encoder_without_a_coder_gives_an_embedding_alone() -> None:
    """Its codes have 128 numbers of length 1, no bytes and no price, and count what was seen."""
    net, given = MeanColour(), windows(3, 2)
    assert isinstance(net, WindowEncoder)
    codes = encode_windows(net, given, "fp32")
    for code, window in zip(codes, given, strict=True):
        assert (code.data, code.bits) == (b"", 0.0)
        assert code.embedding.shape == (EMBEDDING,)
        assert float((code.embedding**2).sum()) == pytest.approx(1, abs=1e-5)
        mask = window["mask_rgb"][..., None]
        mean = (window["rgb"].mean(axis=(-1, -2)) * mask).sum(axis=(0, 1))
        np.testing.assert_allclose(code.embedding[:3], mean / np.linalg.norm(mean), atol=1e-5)
    assert [code.seen for code in codes] == [STEPS, STEPS, STEPS // 2]


def test_sets_of_cameras_are_encoded_by_any_encoder() -> None:
    """Each set has the code of a window of those cameras alone; of none there is none."""
    one = noise_windows(1, 3, STEPS)
    masks = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], bool)
    found = camera_codes(MeanColour(), one, masks, "fp32")
    for mask, code in zip(masks[:2], found, strict=False):
        picked = {name: x[:, mask] for name, x in one.items() if "rgb" in name}
        np.testing.assert_allclose(code, MeanColour().encode(picked).embedding[0], atol=1e-6)
    assert not found[2].any()


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
        cut = list(batches(work, batch_size(len(work), 2)))
        assert [one for batch in cut for one in batch] == work
        assert len(cut) >= 2 * TURNS - 1
        assert max(len(batch) for batch in cut) <= BATCH_CLIPS
