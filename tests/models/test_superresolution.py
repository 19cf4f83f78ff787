from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from models.precision import autocast
from models.resample import upsample
from models.superresolution import (
    SuperResolution,
    SuperResolutionConfig,
    flops_per_frame,
    parameter_count,
)


def trained_like(config: SuperResolutionConfig | None = None) -> SuperResolution:
    """A network whose detail is not zero, as after training."""
    model = SuperResolution(config)
    generator = torch.Generator().manual_seed(7)
    model.init_weights(generator)
    with torch.no_grad():
        model.last.weight.normal_(0, 0.02, generator=generator)
    return model.eval()


def test_parameters_and_flops_are_what_the_config_says() -> None:
    """65 k parameters and 1.6 GFLOP at 112 -> 224, by formula, by count and by torch's counter."""
    config = SuperResolutionConfig()
    model = SuperResolution(config)
    assert parameter_count(config) == sum(p.numel() for p in model.parameters()) == 64_988
    assert flops_per_frame(config, 112, 112) == 1_625_702_400
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.zeros(1, 1, 3, 112, 112))
    assert counter.get_total_flops() == flops_per_frame(config, 112, 112)


@pytest.mark.parametrize("scale", [2, 4])
def test_untrained_it_is_bicubic(scale: int) -> None:
    """The first step of training starts at the baseline, exactly."""
    model = SuperResolution(SuperResolutionConfig(scale=scale))  # type: ignore[arg-type]  # 2, 4
    lr = torch.rand(2, 3, 3, 12, 16)
    torch.testing.assert_close(model(lr), upsample(lr, scale), atol=0, rtol=0)


def test_untrained_it_can_learn() -> None:
    """Detail that starts at zero has a gradient, and one step later so has every layer."""
    model = SuperResolution()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    lr, truth = torch.rand(1, 3, 3, 12, 12), torch.rand(1, 3, 3, 24, 24)
    for _ in range(2):
        optimiser.zero_grad()
        (model(lr) - truth).square().mean().backward()
        optimiser.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_equal_generators_draw_equal_weights() -> None:
    """`init_weights` takes its randomness from the generator alone."""
    a, b = SuperResolution(), SuperResolution()
    a.init_weights(torch.Generator().manual_seed(3))
    b.init_weights(torch.Generator().manual_seed(3))
    assert all(torch.equal(a.state_dict()[k], b.state_dict()[k]) for k in a.state_dict())


def test_streaming_equals_the_whole_clip() -> None:
    """Frame by frame, from a generator, gives what `forward` gives; one frame works too."""
    model = trained_like()
    clip = torch.rand(6, 3, 10, 14)
    with torch.no_grad():
        whole = model(clip[None])[0]
    streamed = torch.stack(list(model.stream(frame for frame in clip)))
    torch.testing.assert_close(streamed, whole)
    assert len(list(model.stream(clip[:1]))) == 1
    assert list(model.stream([])) == []


def test_streaming_looks_one_frame_ahead_and_no_further() -> None:
    """The first output comes when the second frame is in; frame 3 cannot change output 1."""
    model = trained_like()
    taken = []

    def frames() -> object:
        for k, frame in enumerate(torch.rand(5, 3, 8, 8)):
            taken.append(k)
            yield frame

    stream = model.stream(frames())  # type: ignore[arg-type]  # a generator of tensors
    next(stream)
    assert taken == [0, 1]


def test_the_state_is_used() -> None:
    """An earlier frame, beyond the three that a step sees, changes the output."""
    model = trained_like()
    clip = torch.rand(1, 5, 3, 8, 8)
    other = clip.clone()
    other[:, 0] = 1 - other[:, 0]
    with torch.no_grad():
        assert not torch.equal(model(clip)[:, 4], model(other)[:, 4])


def test_bf16_stays_near_fp32_and_returns_fp32() -> None:
    """Under autocast the output is fp32 and within one grey level."""
    model = trained_like()
    lr = torch.rand(1, 4, 3, 16, 16)
    with torch.no_grad():
        exact = model(lr)
        with autocast("bf16"):
            fast = model(lr)
    assert fast.dtype == torch.float32
    assert (fast - exact).abs().mean() < 1 / 255


def test_streaming_leaves_the_callers_precision_alone() -> None:
    """Between two frames the caller's own arithmetic is not under our autocast."""
    model = trained_like()
    for _ in model.stream(torch.rand(3, 3, 8, 8), precision="bf16"):
        assert not torch.is_autocast_enabled("cpu")
        assert (torch.rand(4, 4) @ torch.rand(4, 4)).dtype == torch.float32


def test_wrong_sizes_are_named() -> None:
    """A config or a clip that fits no network says which figure is wrong."""
    with pytest.raises(ValueError, match="scale must be 2 or 4, got 3"):
        SuperResolutionConfig(scale=3)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ValueError, match="layers"):
        SuperResolutionConfig(layers=1)
    with pytest.raises(ValueError, match=r"needs \(B, T >= 1, 3, h, w\)"):
        SuperResolution()(torch.zeros(3, 3, 8, 8))
