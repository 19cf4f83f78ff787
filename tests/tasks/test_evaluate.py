from __future__ import annotations

import dataclasses
import json
import zlib
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
import torch

from infra.errors import MissingBaselineError
from models.superresolution import SuperResolution
from tasks.judging.baselines import SUPER_RESOLUTION
from tasks.superresolution.degradations import DEGRADATIONS
from tasks.superresolution.evaluate import HeldOut, evaluate_superresolution
from tasks.superresolution.evaluation import BASELINES, MODEL, Evaluation, Score
from tasks.superresolution.picture import PIECE, most_telling, sample_picture


def noise_clip(session: str, clip: str, *, frames: int = 4, height: int = 48) -> HeldOut:
    """Smooth random frames of height x 64, another for each clip id."""
    rng = np.random.default_rng(zlib.crc32(f"{session}/{clip}".encode()))
    coarse = rng.integers(0, 256, (frames, height // 8, 8, 3))
    pixels = coarse.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    return HeldOut(session, f"the session {session}", clip, "camera-1", pixels)


def scores_with(psnr_of: dict[tuple[str, str, str], float]) -> tuple[Score, ...]:
    """Scores of every method under every degradation; keys are (session, clip, method)."""
    return tuple(
        Score(session, session.upper(), clip, "c", degradation, method, 2, value, 0.9, 1.0, 2.0)
        for (session, clip, method), value in psnr_of.items()
        for degradation in ("bi", "bd")
    )


KNOWN = {
    ("a", "a1", MODEL): 31.0,
    ("a", "a1", "bicubic"): 30.0,
    ("a", "a1", "lanczos"): 30.5,
    ("a", "a2", MODEL): 35.0,
    ("a", "a2", "bicubic"): 35.5,
    ("a", "a2", "lanczos"): 35.0,
    ("b", "b1", MODEL): 41.0,
    ("b", "b1", "bicubic"): 40.0,
    ("b", "b1", "lanczos"): 40.0,
}


def test_an_untrained_model_scores_exactly_as_bicubic() -> None:
    """Same frames, same rounding, same border: equal pictures have equal figures in all columns."""
    clips = [noise_clip("a", "1"), noise_clip("a", "2"), noise_clip("b", "3")]
    found = evaluate_superresolution(SuperResolution(), clips, precision="fp32")
    for degradation in DEGRADATIONS:
        for measure in ("psnr_y", "ssim_y", "change_error"):
            ours, theirs = (found.mean(degradation, m, measure) for m in (MODEL, "bicubic"))
            assert ours == pytest.approx(theirs, abs=1e-6)
        assert found.gain_over("bicubic", degradation) == pytest.approx(0, abs=1e-6)
        assert found.no_harm_rate(degradation) == 1.0
    assert found.sessions == ("a", "b")
    assert len(found.scores) == len(clips) * len(DEGRADATIONS) * (1 + len(SUPER_RESOLUTION))
    assert {score.frames for score in found.scores} == {4}


def test_the_degradations_are_told_apart() -> None:
    """Blur and a codec each cost more than the clean kernel, on a sharp picture."""
    found = evaluate_superresolution(SuperResolution(), [noise_clip("a", "1")], precision="fp32")
    clean, blurred, coded = (found.mean(d, "bicubic", "psnr_y") for d in ("bi", "bd", "codec"))
    assert clean > blurred
    assert clean > coded


def test_odd_sizes_are_cut_to_the_scale() -> None:
    """A frame of 49 rows is judged on 48 of them."""
    clip = noise_clip("a", "1")
    odd = np.pad(clip.frames, ((0, 0), (0, 1), (0, 0), (0, 0)), mode="edge")
    a, b = (
        evaluate_superresolution(SuperResolution(), [c], precision="fp32").psnr_y
        for c in (clip, dataclasses.replace(clip, frames=odd))
    )
    assert a == b


def test_means_are_of_clips_then_of_sessions() -> None:
    """A session of two clips weighs as much as a session of one."""
    found = Evaluation(2, "fp32", 1, scores_with(KNOWN))
    assert found.session_mean("a", "bi", MODEL, "psnr_y") == pytest.approx(33.0)
    assert found.psnr_y == pytest.approx((33.0 + 41.0) / 2)
    assert found.mean("bi", "bicubic", "psnr_y") == pytest.approx((32.75 + 40.0) / 2)
    assert found.gain_over("bicubic") == pytest.approx(0.625)
    assert found.no_harm_rate() == pytest.approx(2 / 3)


def test_metrics_are_flat_and_split_into_model_and_baselines() -> None:
    """The registry's names are fixed; together they are `metrics()`."""
    found = Evaluation(2, "fp32", 1, scores_with(KNOWN))
    metrics = found.metrics()
    assert metrics == found.model_metrics() | found.baseline_metrics()
    assert metrics["heldout.bi.psnr_y"] == pytest.approx(37.0)
    assert metrics["heldout.bi.bicubic.psnr_y"] == pytest.approx(36.375)
    assert metrics["heldout.bi.gain_over_lanczos_db"] == pytest.approx(37.0 - 36.375)
    assert metrics["heldout.sessions"] == 2
    assert metrics["heldout.clips"] == 3
    assert metrics["heldout.ms_per_frame"] == pytest.approx(2.0)
    assert not set(found.baseline_metrics()) & set(found.model_metrics())


def test_the_table_has_every_session_and_the_mean() -> None:
    """One row a session, degradation and method; the mean over sessions closes it."""
    rows = Evaluation(2, "fp32", 1, scores_with(KNOWN)).table()
    keys = [(row["session"], row["degradation"], row["method"]) for row in rows]
    expected = product(("A", "B", "mean over sessions"), ("bi", "bd"), (MODEL, *BASELINES))
    assert keys == list(expected)
    assert [row["clips"] for row in rows[::6]] == [2, 1, 3]


@pytest.mark.parametrize("method", [MODEL, "bicubic", "lanczos"])
def test_no_evaluation_without_its_baselines(method: str) -> None:
    """Drop one method of one clip, or everything: the result cannot be built."""
    scores = scores_with(KNOWN)
    without = tuple(s for s in scores if (s.clip_id, s.method) != ("a2", method))
    with pytest.raises(MissingBaselineError, match=f"Clip a2 .* has no score for {method}"):
        Evaluation(2, "fp32", 1, without)
    with pytest.raises(MissingBaselineError, match="0 held-out clips"):
        Evaluation(2, "fp32", 1, ())


def test_no_evaluation_without_its_headline() -> None:
    """Every clip must be scored under "bi", the degradation that results are compared on."""
    others = tuple(s for s in scores_with(KNOWN) if (s.clip_id, s.degradation) != ("b1", "bi"))
    with pytest.raises(MissingBaselineError, match="3 held-out clips were scored, 2 under 'bi'"):
        Evaluation(2, "fp32", 1, others)


def test_json_goes_both_ways_and_is_checked_on_the_way_back() -> None:
    """An evaluation survives JSON; one whose baseline rows were removed does not."""
    found = Evaluation(2, "bf16", 2, scores_with(KNOWN))
    text = found.to_json()
    assert Evaluation.from_json(text) == found
    data = json.loads(text)
    assert data["metrics"] == found.metrics()
    data["scores"] = [s for s in data["scores"] if s["method"] == MODEL]
    with pytest.raises(MissingBaselineError):
        Evaluation.from_json(json.dumps(data))


def test_what_may_not_be_concluded_is_said() -> None:
    """Few sessions allow no claim; a gain past 3 dB asks for the split to be checked."""
    two = Evaluation(2, "fp32", 1, scores_with(KNOWN))
    assert [r for r in two.remarks() if "no claim" in r] == two.remarks()
    high = {
        (f"s{k}", f"c{k}", method): 30.0 + (3.5 if method == MODEL else 0)
        for k in range(6)
        for method in (MODEL, *BASELINES)
    }
    (remark,) = Evaluation(2, "fp32", 1, scores_with(high)).remarks()
    assert "3.50 dB over bicubic" in remark


def test_the_registered_baselines_are_the_required_ones() -> None:
    """What an evaluation demands is what the table of baselines offers."""
    assert tuple(SUPER_RESOLUTION) == BASELINES


def test_what_is_no_clip_is_refused() -> None:
    """Floats, single frames and missing channels are named with their shape."""
    good = noise_clip("a", "1")
    wrong: list[npt.NDArray[np.generic]] = [
        good.frames.astype(np.float32),
        good.frames[:1],
        good.frames[..., :1],
    ]
    for frames in wrong:
        with pytest.raises(ValueError, match=r"needs \(T >= 2, H, W, 3\) uint8"):
            dataclasses.replace(good, frames=frames)


def test_the_picture_shows_a_row_for_each_session_up_to_four() -> None:
    """Five sessions give four rows of equal width; the result is ready to be written as PNG."""
    clips = [noise_clip(f"s{k % 5}", f"c{k}", height=96 + 8 * k) for k in range(6)]
    clips = [dataclasses.replace(c, frames=c.frames.repeat(2, axis=2)) for c in clips]
    one = sample_picture(SuperResolution(), clips[:1])
    four = sample_picture(SuperResolution(), clips)
    assert one.dtype == np.uint8
    assert four.shape[1:] == one.shape[1:]
    row = one.shape[0] - 12
    assert four.shape[0] == 4 * row + 12
    with pytest.raises(ValueError, match="smaller than 96 px"):
        sample_picture(SuperResolution(), [noise_clip("s", "c")])
    with pytest.raises(ValueError, match="no clip"):
        sample_picture(SuperResolution(), [])


def test_the_shown_piece_holds_the_detail() -> None:
    """A textured square in a flat frame is inside the chosen piece, on the small grid."""
    frames = np.full((2, 240, 320, 3), 90, np.uint8)
    frames[:, 150:190, 200:240] = np.random.default_rng(0).integers(0, 256, (40, 40, 3))
    y, x = most_telling(frames, 4)
    assert y % 4 == x % 4 == 0
    assert 190 - PIECE <= y <= 150
    assert 240 - PIECE <= x <= 200


def test_the_models_mode_and_threads_are_kept_out_of_the_scores() -> None:
    """The evaluation records the thread count it ran with and leaves it as it was."""
    before = torch.get_num_threads()
    found = evaluate_superresolution(SuperResolution().train(), [noise_clip("a", "1")])
    assert found.threads == torch.get_num_threads() == before
