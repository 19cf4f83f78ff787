"""ESPCN and FSRCNN as peers: their sizes, their start, and that they learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from models import weights
from models.espcn import Espcn, EspcnConfig
from models.fsrcnn import Fsrcnn, FsrcnnConfig
from models.resample import upsample

if TYPE_CHECKING:
    from pathlib import Path

    from models.still_enlarger import StillEnlarger

PEERS = [Espcn(), Espcn(EspcnConfig(4)), Fsrcnn(), Fsrcnn(FsrcnnConfig(4))]


@pytest.mark.parametrize("net", PEERS)
def test_an_untrained_peer_is_bicubic(net: StillEnlarger) -> None:
    """They start where ours starts, so equal minutes are minutes of learning the same."""
    lr = torch.rand(2, 3, 3, 12, 10)
    assert torch.equal(net(lr), upsample(lr, net.scale))


@pytest.mark.parametrize("net", PEERS)
def test_frames_are_enlarged_one_by_one(net: StillEnlarger, tmp_path: Path) -> None:
    """A stream is what a batch of frames gives, and the same after weights were kept."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    frames = torch.rand(3, 3, 12, 10)
    streamed = torch.stack(list(net.stream(frames)))
    with torch.no_grad():
        torch.testing.assert_close(streamed, net(frames[None])[0])
    weights.save(tmp_path / "net", net)
    back = weights.load(tmp_path / "net")
    torch.testing.assert_close(torch.stack(list(back.stream(frames))), streamed)  # type: ignore[operator]  # a peer


def test_they_have_the_papers_sizes() -> None:
    """Parameters of ESPCN and of FSRCNN(56, 12, 4), for three colours."""
    espcn, fsrcnn = (sum(p.numel() for p in net.parameters()) for net in (Espcn(), Fsrcnn()))
    assert espcn == (75 + 1) * 64 + (9 * 64 + 1) * 32 + (9 * 32 + 1) * 12
    outer = (75 + 1) * 56 + (56 + 1) * 12 + (12 + 1) * 56 + 81 * 56 * 3 + 3
    mapping, slopes = 4 * (9 * 12 + 1) * 12, 2 * 56 + 5 * 12
    assert fsrcnn == outer + mapping + slopes
