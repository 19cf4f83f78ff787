from __future__ import annotations

import dataclasses
import pickle
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
import torch

from infra.errors import TrainingDivergedError, UnknownPresetError
from models.metrics import luma, quantise
from models.resample import downsample, upsample
from tasks.superresolution.degradations import bd, bi, codec, degrade_randomly, to_bytes, to_tensor
from tasks.superresolution.presets import PRESETS, TrainPreset, preset_named
from tasks.superresolution.train import draw_batch, train_superresolution
from tasks.training.schedule import finished

if TYPE_CHECKING:
    from tasks.training.of_pictures import Trained
    from tasks.training.schedule import Progress

TINY = TrainPreset(
    "tiny", steps=12, windows=6, steps_per_window=4, crop=40, batch=2, frames=3, patch=24
)
TINY = dataclasses.replace(TINY, width=8, hidden=8, layers=3, report_every=5)


def moving_shapes(
    count: int, seed: int, *, steps: int = 5, side: int = 64
) -> npt.NDArray[np.uint8]:
    """Sharp bars and discs that move at subpixel speed: windows (N, T, H, W, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    windows = np.empty((count, steps, side, side, 3), np.uint8)
    for n in range(count):
        angle, period, phase = rng.uniform(0, np.pi), rng.uniform(8, 20), rng.uniform(0, 6)
        cx, cy, radius = rng.uniform((10, 10, 6), (side - 10, side - 10, 16))
        colours, velocity = rng.uniform(20, 235, (3, 3)), rng.uniform(-1.5, 1.5, 2)
        for t in range(steps):
            along = x * np.cos(angle) + y * np.sin(angle) + velocity[0] * t + phase
            # A sigmoid of slope 20 a pixel: hard edges, which bicubic blurs.
            wave = np.sin(2 * np.pi * along / period) * period / 6
            bars = 1 / (1 + np.exp(-20 * np.clip(wave, -3, 3)))
            away = radius - np.hypot(x - cx - velocity[1] * t, y - cy)
            disc = 1 / (1 + np.exp(-20 * np.clip(away, -3, 3)))
            picture = colours[0] + (colours[1] - colours[0]) * bars[..., None]
            picture += (colours[2] - picture) * disc[..., None]
            windows[n, t] = picture.round()
    return windows


def run(windows: npt.NDArray[np.uint8], preset: TrainPreset) -> tuple[list[Progress], Trained]:
    reports: list[Progress] = []
    trained = finished(train_superresolution(windows, preset, threads=1), reports.append)
    return reports, trained


def test_training_beats_bicubic_on_windows_it_never_saw() -> None:
    """A few seconds of training gain .15 dB of luma over bicubic on other shapes of the kind."""
    preset = dataclasses.replace(
        TINY, steps=400, windows=64, steps_per_window=5, crop=64, batch=4, frames=3, patch=24
    )
    preset = dataclasses.replace(preset, width=32, hidden=16, layers=4)
    _, trained = run(moving_shapes(64, seed=0), preset)
    truth = to_tensor(moving_shapes(16, seed=1).reshape(-1, 64, 64, 3)).reshape(16, 5, 3, 64, 64)
    small = quantise(downsample(truth, 2))
    with torch.no_grad():
        ours = trained.model()(small)
    ours_error, bicubic_error = (
        (luma(quantise(y)) - luma(truth)).square().mean() for y in (ours, upsample(small, 2))
    )
    # Errors are pooled: the dB of a nearly flat window would outweigh all others.
    assert 10 * torch.log10(bicubic_error / ours_error) > 0.15


def test_equal_seeds_give_equal_weights_and_other_seeds_do_not() -> None:
    """The same windows, preset and threads give the same loss curve and weights, bit for bit."""
    windows = moving_shapes(6, seed=2, steps=4, side=40)
    (_, a), (_, b) = run(windows, TINY), run(windows, TINY)
    assert a.losses == b.losses
    assert all(torch.equal(a.state[k], b.state[k]) for k in a.state)
    _, other = run(windows, dataclasses.replace(TINY, seed=1))
    assert other.losses != a.losses


def test_progress_is_reported_and_can_be_sent() -> None:
    """Reports come every `report_every` steps and at the end, and everything is picklable."""
    reports, trained = run(moving_shapes(6, seed=2, steps=4, side=40), TINY)
    assert [report.step for report in reports] == [5, 10, 12]
    assert reports[0].loss == pytest.approx(np.mean(trained.losses[:5]))
    assert reports[2].loss == pytest.approx(np.mean(trained.losses[10:]))
    assert len(trained.losses) == TINY.steps
    back = pickle.loads(pickle.dumps(trained))  # noqa: S301  (our own bytes)
    assert torch.equal(back.state["last.weight"], trained.state["last.weight"])


def test_the_callers_threads_come_back() -> None:
    """Whether it ends or is abandoned, training leaves torch's thread count as it was."""
    before = torch.get_num_threads()
    training = train_superresolution(moving_shapes(6, 2, steps=4, side=40), TINY, threads=2)
    next(training)
    assert torch.get_num_threads() == 2
    training.close()
    assert torch.get_num_threads() == before


def test_a_diverging_run_stops_and_says_where() -> None:
    """An absurd learning rate ends in an error with its step, not in a model of NaN."""
    mad = dataclasses.replace(TINY, learning_rate=1e18, clip_norm=1e30, warmup_share=0.0, steps=40)
    with pytest.raises(TrainingDivergedError, match=r"at step \d+ of 40, learning rate 1e\+18"):
        run(moving_shapes(6, seed=2, steps=4, side=40), mad)


def test_windows_that_do_not_fit_are_refused() -> None:
    """Too few frames, too few pixels or floats are named before any time is spent."""
    windows = moving_shapes(2, seed=0, steps=4, side=40)
    for wrong in (windows[:, :2], windows[:, :, :16], windows.astype(np.float32)):
        with pytest.raises(ValueError, match="windows"):
            next(train_superresolution(wrong, TINY))


def test_a_batch_holds_every_orientation_of_the_truth() -> None:
    """Over many draws a marked corner visits all four corners, and time runs both ways."""
    windows = np.zeros((1, 3, 24, 24, 3), np.uint8)
    windows[0, :, 0, 1] = 255  # not on the diagonal: transposing shows
    windows[0, 0, 10:14, 10:14] = 128
    preset = dataclasses.replace(TINY, crop=24, batch=64)
    batch = draw_batch(windows, preset, np.random.default_rng(0))
    assert batch.shape == (64, 3, 3, 24, 24)
    marks = {tuple(torch.nonzero(sample[1, 0] == 1)[0].tolist()) for sample in batch}
    assert marks == {(y, x) for a in (0, 23) for b in (1, 22) for y, x in ((a, b), (b, a))}
    assert {int(sample[:, 0, 12, 12].argmax()) for sample in batch} == {0, 2}


def test_degradations_keep_a_flat_picture_and_the_centre() -> None:
    """None of the judged kernels changes a flat grey, and none moves a symmetric picture."""
    flat = np.full((2, 32, 48, 3), 137, np.uint8)
    disc = np.zeros((1, 32, 32, 3), np.uint8)
    disc[:, 12:20, 12:20] = 255
    for degrade in (bi, bd, codec):
        small = degrade(flat, 2)
        assert small.shape == (2, 16, 24, 3)
        assert abs(small.astype(int) - 137).max() <= 1
    for degrade in (bi, bd):
        small = degrade(disc, 4)
        np.testing.assert_array_equal(small, small[:, ::-1, ::-1])


def test_random_degradation_is_seeded_and_keeps_its_share_of_clean_ones() -> None:
    """Equal seeds give equal pictures; a share of 1 is the headline's kernel, byte for byte."""
    truth = to_tensor(moving_shapes(4, seed=3).reshape(-1, 64, 64, 3)).reshape(4, 5, 3, 64, 64)
    a, b = (degrade_randomly(truth, 2, 0.0, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(a, b)
    assert a.shape == (4, 5, 3, 32, 32)
    clean = degrade_randomly(truth, 2, 1.0, np.random.default_rng(5))
    np.testing.assert_array_equal(to_bytes(clean[0]), bi(to_bytes(truth[0]), 2))
    # One in six draws neither blur, noise nor compression.
    assert (a - clean).abs().amax(dim=(1, 2, 3, 4)).median() > 1 / 255


def test_presets_are_found_by_name() -> None:
    """The three presets carry their names; another name says which there are."""
    assert {name: preset.name for name, preset in PRESETS.items()} == {
        name: name for name in ("ci", "laptop", "gpu")
    }
    with pytest.raises(UnknownPresetError, match="ci, laptop, gpu"):
        preset_named("phone")
    with pytest.raises(ValueError, match="patch 64 of a crop of 40"):
        dataclasses.replace(TINY, patch=64)
