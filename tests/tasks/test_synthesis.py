"""Synthesis against known truth: clocks, places, moments between frames, bad copies, training."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from infra.errors import MissingBaselineError, UnknownCorruptionError
from models.synthesis import Synthesis
from tasks.synthesis.alignment import affine_onto, affinely, between, time_shift
from tasks.synthesis.evaluate import evaluate_synthesis
from tasks.synthesis.evaluation import SynthesisEvaluation
from tasks.synthesis.fuser import Fuser
from tasks.synthesis.fusing import PLAIN, likely_best
from tasks.synthesis.fusion_sources import CELLS, aligned, copies_of, damage_of
from tasks.synthesis.interpolation import doubled
from tasks.synthesis.material import Piece
from tasks.synthesis.picture import synthesis_picture
from tasks.synthesis.pools import Example, fusion_pool, rate_pool
from tasks.synthesis.presets import PRESETS, SynthesisPreset, preset_named
from tasks.synthesis.rate_conversion import Sources
from tasks.synthesis.train import train_synthesis, turns_of
from tasks.training.schedule import finished

if TYPE_CHECKING:
    from tasks.training.of_pictures import Trained

Pixels = npt.NDArray[np.uint8]
STEP_PX = 2.2
TINY = SynthesisPreset("tiny", steps=12, pictures=6, copies=3, batch=2, patch=16, width=8, blocks=1)


def panned(offset_px: float) -> Pixels:
    """A smooth texture of 96 x 128, seen from so many pixels further right."""
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.random((120, 480, 3), np.float32), (0, 0), 2.5)
    ground = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX)
    move = np.array([[1, 0, -20 - offset_px], [0, 1, -6]], np.float32)
    seen = cv2.warpAffine(ground, move, (128, 96), flags=cv2.INTER_CUBIC)
    return np.asarray(seen.clip(0, 255).round(), np.uint8)


@pytest.fixture(scope="module")
def pan() -> Pixels:
    """24 frames of a camera that pans."""
    return np.stack([panned(STEP_PX * k) for k in range(24)])


def psnr(ours: Pixels, truth: Pixels) -> float:
    return 10 * float(np.log10(255**2 / np.square(ours.astype(float) - truth).mean()))


@pytest.mark.parametrize("shift", [-1.0, -0.5, 0.0, 0.5, 1.5, 2.0])
def test_a_clock_is_found_to_a_part_of_a_frame(shift: float) -> None:
    """Half a frame late, a frame early, not at all: to a tenth of a frame."""
    ours = np.stack([panned(2 * STEP_PX * k) for k in range(10)])
    late = np.stack([panned(2 * STEP_PX * (k - shift)) for k in range(10)])
    assert time_shift(ours, late) == pytest.approx(shift, abs=0.1)


def test_what_stands_still_has_no_clock() -> None:
    """Nothing changes: no shift, whatever the noise."""
    noise = np.random.default_rng(0).integers(0, 9, (2, 8, 32, 32, 3))
    assert time_shift(*(100 + noise).astype(np.uint8)) == 0


def test_the_moment_between_is_that_which_was_left_out(pan: Pixels) -> None:
    """The warp gains 15 dB on the average of both, and on what ffmpeg interpolates."""
    even = list(pan[::2])
    truth, ours = pan[9], between(even[4], even[5], 0.5)
    average = (even[4].astype(int) + even[5]) // 2
    assert psnr(ours, truth) > psnr(average, truth) + 15
    assert psnr(ours, truth) > psnr(doubled(even)[9], truth) > psnr(average, truth)


def test_a_turned_copy_is_put_upright(pan: Pixels) -> None:
    """A turn of 3 degrees and some pixels is found, and one of nothing is none."""
    turn = np.array([[0.9986, -0.0523, 3.0], [0.0523, 0.9986, -2.0]])
    turned, _ = affinely(pan[:3], turn)
    found = affine_onto(list(turned), list(pan[:3]))
    assert found is not None
    assert np.abs(found - turn)[:, :2].max() < 0.005
    assert np.abs(found @ [64, 48, 1] - turn @ [64, 48, 1]).max() < 0.3
    assert affine_onto(list(pan[:3]), list(pan[:3])) is None


def test_late_and_noisy_copies_make_a_better_picture_than_any_of_them(pan: Pixels) -> None:
    """Brought in step, the robust mean gains 2 dB on the best copy; out of step it loses."""
    truth, copies = copies_of(pan, CELLS["time_shift"], "pan")
    t = len(truth) // 2
    moments = {}
    for name, some in {"late": copies, "aligned": aligned(copies)}.items():
        pictures = np.stack([one.pictures[t] for one in some])
        trust = np.stack([one.trust[t] for one in some])
        moments[name] = psnr(PLAIN["mean"](pictures, trust), truth[t])
    first = psnr(copies[0].pictures[t], truth[t])
    assert moments["aligned"] > first + 2 > moments["late"]


def test_a_source_in_the_way_is_voted_out(pan: Pixels) -> None:
    """One of three copies shows a box: the median and the robust mean do not, the mean does."""
    sources = np.repeat(pan[:1], 3, axis=0)
    sources[1, 20:60, 30:90] = (250, 10, 10)
    trust = np.ones(sources.shape[:3], np.float32)
    made = {
        name: psnr(plain(sources, trust), pan[0])
        for name, plain in PLAIN.items()
        if name in ("mean", "robust")
    }
    assert np.array_equal(PLAIN["median"](sources, trust), pan[0])
    assert made["robust"] > made["mean"] + 10
    assert likely_best(sources, trust) != 1


def test_what_is_known_to_be_missing_is_not_used(pan: Pixels) -> None:
    """A hole of one source is filled by the others, in every plain way."""
    sources = np.repeat(pan[:1], 2, axis=0)
    trust = np.ones(sources.shape[:3], np.float32)
    sources[0, :, :40], trust[0, :, :40] = 0, 0
    for plain in PLAIN.values():
        assert np.array_equal(plain(sources, trust), pan[0])


@pytest.mark.parametrize("words", ["gauss:6", "nonsense", "view_drop:1", "gauss:x"])
def test_damage_that_is_not_there_is_refused(words: str) -> None:
    """By name, or by a severity that none has."""
    with pytest.raises(UnknownCorruptionError):
        damage_of(words)


def test_damage_is_read_as_it_is_written() -> None:
    """Names, severities and a shift; 3 where nothing is said."""
    found = damage_of("gauss+h264:4+time_shift:2")
    assert found.steps == (("gauss", 3), ("h264", 4))
    assert found.shift == 2


def piece(frames: Pixels, name: str = "a") -> Piece:
    return Piece(name, f"session {name}", f"clip {name}", "cam0", frames)


def trained(pan: Pixels, preset: SynthesisPreset) -> Trained:
    rng = np.random.default_rng(preset.seed)
    pools = {
        "fuse": fusion_pool([piece(pan)], preset.pictures, preset.copies, rng),
        "rate": rate_pool([piece(pan)], preset.pictures, rng),
        "view": [],
    }
    return finished(train_synthesis(pools, preset))


def test_training_repeats_to_the_last_bit(pan: Pixels) -> None:
    """Equal seeds, equal weights; a task without examples is left as it was drawn."""
    one, other = trained(pan, TINY), trained(pan, TINY)
    assert all((one.state[name] == other.state[name]).all() for name in one.state)
    assert not one.state["networks.view.detail.weight"].any()


def test_tasks_take_turns() -> None:
    """Every second step is of fusion; what has no example has no turn."""
    one = [
        Example(
            np.zeros((2, 2, 3), np.uint8),
            np.zeros((1, 2, 2, 3), np.uint8),
            np.ones((1, 2, 2), np.float32),
            loose=True,
        )
    ]
    assert turns_of({"fuse": one, "rate": one, "view": []}, 12) == {"fuse": 6, "rate": 6}
    assert turns_of({"fuse": one, "rate": one, "view": one}, 8) == {"fuse": 4, "rate": 2, "view": 2}


@pytest.mark.long
def test_training_learns_to_take_noise_away() -> None:
    """From three noisy copies of smooth shapes, in 400 steps: 1 dB above their mean."""
    rng = np.random.default_rng(0)
    pool = []
    for _ in range(16):
        truth = cv2.resize(rng.integers(0, 256, (6, 6, 3)).astype(np.uint8), (48, 48))
        noisy = truth + rng.normal(0, 20, (3, 48, 48, 3))
        copies = noisy.clip(0, 255).round().astype(np.uint8)
        pool.append(Example(truth, copies, np.ones(copies.shape[:3], np.float32), loose=True))
    preset = dataclasses.replace(TINY, steps=400, width=32, patch=32, learning_rate=3e-3)
    last = finished(train_synthesis({"fuse": pool[1:]}, preset))
    held = pool[0]
    made = Fuser(last.model()).fuse(Sources(held.sources, held.trust), "fuse").unguarded
    assert psnr(made, held.truth) > psnr(PLAIN["mean"](held.sources, held.trust), held.truth) + 1


def test_an_evaluation_has_every_baseline_or_is_none(pan: Pixels) -> None:
    """What was judged comes back from JSON, and not without the oracle."""
    found = evaluate_synthesis(Synthesis(), [piece(pan)], [], None, ("gauss", "occlusion"))
    assert SynthesisEvaluation.from_json(found.to_json()) == found
    assert found.cells("fuse", trained=True) == ("gauss",)
    assert found.mean("fuse", ("gauss",), "oracle", "psnr_y") >= found.mean(
        "fuse", ("gauss",), "best", "psnr_y"
    )
    assert found.gain("rate", "repeat", ("x2",), "warp") > 5
    assert "heldout.fuse.unseen.no_harm_rate" in found.metrics()
    kept = tuple(score for score in found.scores if score.method != "oracle")
    with pytest.raises(MissingBaselineError, match="oracle"):
        dataclasses.replace(found, scores=kept)


def test_the_picture_has_a_row_for_each_kind(pan: Pixels) -> None:
    """Three of fusion, one of rate conversion, as wide as the widest."""
    found = synthesis_picture(Synthesis(), [piece(pan)])
    assert found.dtype == np.uint8
    assert found.shape[1] >= 6 * 208


def test_presets_are_found_by_name() -> None:
    """And hold shapes that fit."""
    assert preset_named("ci") is PRESETS["ci"]
    with pytest.raises(ValueError, match="patch"):
        dataclasses.replace(TINY, patch=15)
