"""The style network and its distance, on pictures whose answers are known."""

from __future__ import annotations

import pytest
import torch

from models import weights
from models.gram import gram_distance, grams
from models.mobilenet import MobileNetPyramid
from models.style import StyleConfig, StyleNet

SMALL = StyleConfig(names=("a", "b"), width=8, blocks=1)


@pytest.fixture
def net() -> StyleNet:
    """A small network of drawn weights."""
    made = StyleNet(SMALL)
    made.init_weights(torch.Generator().manual_seed(0))
    return made.eval()


@pytest.mark.parametrize("size", [(8, 8), (9, 15), (32, 46)])
def test_a_picture_of_any_size_comes_back_at_its_size(net: StyleNet, size: tuple[int, int]) -> None:
    """Sides that do not fold by four are filled up and cut; colours stay within 0..1."""
    made = net(torch.rand(1, 3, *size), net.codes[:1]).detach()
    assert made.shape == (1, 3, *size)
    assert 0 <= float(made.min()) <= float(made.max()) <= 1


def test_styles_differ_and_frames_do_not_know_each_other(net: StyleNet) -> None:
    """Two codes paint two pictures; a frame is painted alike alone and in a batch."""
    rgb = torch.rand(2, 3, 16, 16)
    both = net(rgb, torch.stack([net.code_of("a"), net.code_of("b")]))
    alone = net(rgb[1:], net.code_of("b")[None])
    assert torch.allclose(both[1:], alone, atol=1e-5)
    other = net(rgb[1:], net.code_of("a")[None]).detach()
    assert float((other - alone.detach()).abs().max()) > 1e-3
    with pytest.raises(KeyError):
        net.code_of("c")


def test_what_is_streamed_is_what_is_painted_at_once(net: StyleNet) -> None:
    """Frame by frame, with no memory of those before."""
    rgb = torch.rand(3, 3, 16, 16)
    code = net.code_of("a")
    streamed = torch.stack(list(net.stream(iter(rgb), code)))
    assert torch.allclose(streamed, net(rgb, code.expand(3, -1)), atol=1e-5)
    assert torch.allclose(net.serve(rgb[None])[0], streamed, atol=1e-5)


def test_shapes_that_it_cannot_paint_are_refused(net: StyleNet) -> None:
    """Too small, a channel short, a code of another length."""
    for rgb, code in (((1, 3, 7, 8), 100), ((1, 2, 8, 8), 100), ((1, 3, 8, 8), 99)):
        with pytest.raises(ValueError, match="needs"):
            net(torch.zeros(rgb), torch.zeros(1, code))


def test_it_is_read_as_it_was_written(net: StyleNet, tmp_path) -> None:  # noqa: ANN001  pytest's
    """The names of its styles too, which JSON keeps as a list."""
    digest = weights.save(tmp_path, net)
    read = weights.load(tmp_path, digest=digest)
    assert isinstance(read, StyleNet)
    assert read.config == SMALL
    rgb = torch.rand(1, 3, 16, 16)
    assert torch.allclose(read(rgb, read.codes[:1]), net(rgb, net.codes[:1]), atol=1e-5)


def test_style_distance_sees_texture_and_not_where_it_is() -> None:
    """0 for equal pictures; a shifted texture is nearer than another texture."""
    torch.manual_seed(0)
    net = MobileNetPyramid().eval()
    x = torch.arange(64).float()
    stripes = (x % 8 < 4).float().expand(1, 3, 64, 64)
    flat = torch.full((1, 3, 64, 64), 0.5)
    with torch.no_grad():
        one, moved, other = (grams(net, p) for p in (stripes, stripes.roll(16, 3), flat))
    assert float(gram_distance(one, one)) == 0
    assert float(gram_distance(one, moved)) < 0.5 * float(gram_distance(one, other))
