"""The networks of synthesis: sources are a set, untrained they are the mean, the guard keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from models import weights
from models.synthesis import Fused, Synthesis, guarded, parameter_count, trusted_median

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def model() -> Synthesis:
    """Networks of random weights."""
    torch.manual_seed(0)
    model = Synthesis().eval()
    with torch.no_grad():
        for one in model.parameters():
            one.add_(0.02 * torch.randn_like(one))
    return model


@torch.inference_mode()
def test_untrained_the_picture_is_the_mean_of_what_is_trusted() -> None:
    """A source without trust has no part in it, whatever it shows."""
    sources = torch.rand(2, 4, 3, 16, 20)
    trust = torch.ones(2, 4, 1, 16, 20)
    trust[:, 3] = 0
    found = Synthesis()(sources, trust)
    assert torch.allclose(found.picture, sources[:, :3].mean(dim=1), atol=1e-5)
    assert parameter_count(Synthesis().config) == 3 * 122_738


@torch.inference_mode()
def test_sources_are_a_set(model: Synthesis) -> None:
    """Another order changes the picture by less than 1e-4, and the estimates go along."""
    sources, trust = torch.rand(1, 3, 3, 16, 16), torch.rand(1, 3, 1, 16, 16)
    order = torch.tensor([2, 0, 1])
    one, other = model(sources, trust), model(sources[:, order], trust[:, order])
    assert (one.picture - other.picture).abs().max() < 1e-4
    assert (one.source_db[:, order] - other.source_db).abs().max() < 1e-3


@torch.inference_mode()
def test_what_an_untrusted_source_shows_changes_nothing(model: Synthesis) -> None:
    """Neither its pixels, nor that it is there at all, are in the blend's weights."""
    sources, trust = torch.rand(1, 3, 3, 16, 16), torch.ones(1, 3, 1, 16, 16)
    trust[:, 2] = 0
    first = model(sources, trust)
    assert float(first.weights[:, 2].max()) < 1e-6
    assert torch.allclose(first.weights.sum(dim=1), torch.ones(1, 1, 16, 16))


def test_the_guard_keeps_the_best_source_where_fusing_would_harm() -> None:
    """By estimates: the first picture is fused, the second is its second source."""
    sources = torch.rand(2, 2, 3, 4, 4)
    made = torch.full((2, 3, 4, 4), 0.5)
    errors = torch.tensor([[-20.0, -25.0], [-20.0, -30.0]])
    fused = Fused(made, made, torch.ones(2, 2, 1, 4, 4), errors, torch.tensor([-28.0, -28.0]))
    picture, better = guarded(fused, sources)
    assert better.tolist() == [True, False]
    assert torch.equal(picture[0], made[0])
    assert torch.equal(picture[1], sources[1, 1])


def test_the_median_is_of_what_is_trusted() -> None:
    """Of three the middle, of two their mean, of one itself."""
    sources = torch.tensor([0.1, 0.9, 0.2]).view(1, 3, 1, 1, 1).expand(1, 3, 3, 1, 3)
    trust = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0]]).float()
    found = trusted_median(sources, trust.view(1, 3, 1, 1, 3))
    assert torch.allclose(found[0, 0, 0], torch.tensor([0.2, 0.5, 0.1]))


@torch.inference_mode()
def test_a_service_answers_pictures_of_odd_sides_as_long_as_they_are(model: Synthesis) -> None:
    """17 x 15 in, 17 x 15 out, between 0 and 1."""
    found = model.serve(torch.rand(1, 2, 4, 17, 15))
    assert found.shape == (1, 3, 17, 15)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_weights_come_back_as_they_were(model: Synthesis, tmp_path: Path) -> None:
    """Two files, equal answers."""
    weights.save(tmp_path, model)
    back = weights.load(tmp_path)
    x = torch.rand(1, 2, 4, 16, 16)
    with torch.inference_mode():
        assert torch.equal(back.serve(x), model.to(memory_format=torch.channels_last).serve(x))  # type: ignore[call-overload]


@pytest.mark.parametrize("shape", [(1, 2, 1, 15, 16), (1, 3, 1, 16, 16)])
def test_trust_that_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    """A size or a number of sources that is another."""
    with pytest.raises(ValueError, match="with trust"):
        Synthesis()(torch.rand(1, 2, 3, 16, 16), torch.ones(shape))
