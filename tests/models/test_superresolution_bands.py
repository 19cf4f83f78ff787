from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.superresolution import SuperResolution, SuperResolutionConfig


def drawn(scale: int, *, reference: bool = False) -> SuperResolution:
    """A small network whose every weight matters."""
    config = SuperResolutionConfig(scale, 8, 6, 4, reference)  # type: ignore[arg-type]  # 2 or 4
    net = SuperResolution(config)
    random = torch.Generator().manual_seed(scale)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.1, generator=random)
    return net.eval()


def video(frames: int = 5, height: int = 37, width: int = 23) -> Tensor:
    return torch.rand(frames, 3, height, width, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("rows", [1, 3, 8, 36, 37, 100])
def test_bands_make_what_the_whole_picture_makes(scale: int, rows: int) -> None:
    """Frame after frame, whatever the height of a band: its overlap is what a step can see."""
    net = drawn(scale)
    whole = torch.stack(list(net.stream(video())))
    banded = torch.stack(list(net.stream(video(), rows=rows)))
    assert whole.std() > 0.1
    torch.testing.assert_close(banded, whole, rtol=0, atol=2e-5)


def test_an_overlap_smaller_than_a_step_sees_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The overlap is needed: with one row less the pictures differ."""
    net = drawn(2)
    whole = torch.stack(list(net.stream(video())))
    monkeypatch.setattr(SuperResolutionConfig, "reach", net.config.reach - 1)
    banded = torch.stack(list(net.stream(video(), rows=8)))
    assert (banded - whole).abs().max() > 1e-3


def test_bands_take_references_too() -> None:
    """Each band is given its part of the other camera's frame."""
    net = drawn(2, reference=True)
    others = torch.rand(5, 4, 74, 46, generator=torch.Generator().manual_seed(1))
    whole = torch.stack(list(net.stream(video(), references=others)))
    banded = torch.stack(list(net.stream(video(), references=others, rows=9)))
    without = torch.stack(list(net.stream(video())))
    torch.testing.assert_close(banded, whole, rtol=0, atol=2e-5)
    assert (whole - without).abs().max() > 1e-2


def test_a_reference_that_is_valid_nowhere_is_none() -> None:
    """Black and invalid is what a network is told of a camera without a partner."""
    net = drawn(2, reference=True)
    nothing = torch.zeros(5, 4, 74, 46)
    given, absent = (torch.stack(list(net.stream(video(), references=r))) for r in (nothing, None))
    assert torch.equal(given, absent)
    with torch.no_grad():
        assert torch.equal(net(video()[None], nothing[None]), net(video()[None]))


def test_what_does_not_fit_is_refused() -> None:
    """A reference for a network of one source, and a band without rows."""
    with pytest.raises(ValueError, match="takes no reference"):
        list(drawn(2).stream(video(), references=torch.zeros(5, 4, 74, 46)))
    with pytest.raises(ValueError, match="a row at least"):
        list(drawn(2).stream(video(), rows=0))
