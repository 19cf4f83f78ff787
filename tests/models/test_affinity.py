"""Labels carried by affinity: to where features say, and no farther than they may."""

from __future__ import annotations

import pytest
import torch

from models.affinity import carried


def _scene(shift: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features (16, 8, 10) of random cells moved by `shift` columns, and the labels."""
    torch.manual_seed(0)
    features, labels = torch.randn(16, 8, 10), torch.zeros(8, 10)
    labels[2:5, 3:6] = 1
    return features.roll(shift, 2), labels.roll(shift, 1)


def test_labels_go_where_their_features_went() -> None:
    """Cells that moved by two columns take their labels along, whatever the context's order."""
    (first, labels), (moved, wanted) = _scene(0), _scene(2)
    noise, nothing = torch.randn_like(first), torch.zeros_like(labels)
    found, similar = carried(
        torch.stack([noise, first]), torch.stack([nothing, labels]), moved, top_k=1
    )
    assert torch.equal(found, wanted)
    assert similar.min() > 0.999


def test_a_radius_keeps_labels_from_afar() -> None:
    """What moved by two columns is not taken from farther away than one."""
    (first, labels), (moved, wanted) = _scene(0), _scene(2)
    within = [carried(first[None], labels[None], moved, top_k=1, radius=r)[0] for r in (1, 2)]
    assert not torch.equal(within[0], wanted)
    # The roll brings columns around the other end; nothing else is farther away than two.
    assert torch.equal(within[1][:, 2:], wanted[:, 2:])


def test_weights_of_labels_sum_to_one() -> None:
    """Labels that are one everywhere stay so."""
    first, labels = _scene(0)
    found, _ = carried(first[None], torch.ones_like(labels)[None], _scene(1)[0], radius=3)
    torch.testing.assert_close(found, torch.ones_like(found))


def test_shapes_that_do_not_fit_are_refused() -> None:
    """No context, labels of another size, a radius between pictures of two sizes."""
    first, labels = _scene(0)
    for context, marks, query, radius in (
        (first[None][:0], labels[None][:0], first, None),
        (first[None], labels[None, :4], first, None),
        (first[None], labels[None], first[:4], None),
        (first[None], labels[None], first[:, :4], 2),
    ):
        with pytest.raises(ValueError, match=r"context|near"):
            carried(context, marks, query, radius=radius)
