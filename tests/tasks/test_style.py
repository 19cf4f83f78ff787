"""What style transfer measures, learns from and reads, where the truth is known."""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch

from infra.errors import (
    ApplicationOptionError,
    AssetMissingError,
    InputFileError,
    MissingBaselineError,
)
from infra.settings import Settings
from models.mobilenet import MobileNetPyramid
from tasks.applications.catalogue import application_of
from tasks.applications.style_maker import painted_size
from tasks.style.evaluation import BASELINES, KINDS, MODEL, StyleEvaluation, StyleScore
from tasks.style.pictures import style_picture_of
from tasks.style.presets import PRESETS
from tasks.style.recipe import StyleRecipe
from tasks.style.scores import Motion, edge_ssim
from tasks.style.textures import KINDS as TEXTURES
from tasks.style.textures import texture
from tasks.style.train import train_style
from tasks.training.schedule import finished

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]


class Inverter:
    """A teacher whose painting is known: the negative by name, and a tint by code."""

    def named(self, picture: Floats, name: str) -> Floats:
        """Paint the negative."""
        del name
        return 1 - picture

    def by_code(self, picture: Floats, code: Floats) -> Floats:
        """Paint a tint."""
        del code
        return picture * np.float32([1, 0.5, 0.25])


def sliding(count: int, side: int = 96, step: int = 2) -> npt.NDArray[np.uint8]:
    """A texture that slides by `step` px a frame: (count, side, side, 3)."""
    wide = cv2.GaussianBlur(texture("strokes", 3), (0, 0), 1.5)
    return np.stack([wide[20 : 20 + side, k * step : k * step + side] for k in range(count)])


def test_a_network_learns_what_its_teacher_paints() -> None:
    """A few seconds bring it nearer to the teacher's picture of footage than the footage is."""
    preset = dataclasses.replace(
        PRESETS["ci"], steps=60, batch=2, crop=32, shift=2, width=16, blocks=1, consistency=0.1
    )
    frames = sliding(20, side=40)
    windows = np.stack([frames[k : k + 2] for k in range(19)])
    codes = np.random.default_rng(0).normal(size=(4, 100)).astype(np.float32)
    torch.manual_seed(0)  # of the features, which nothing trained
    last = finished(train_style(windows, codes, Inverter(), preset, MobileNetPyramid()))
    assert np.mean(last.net.losses[-10:]) < 0.7 * np.mean(last.net.losses[:5])
    assert len(last.flicker) == preset.steps


def test_windows_that_are_too_small_are_refused() -> None:
    """The message has the shape."""
    windows = np.zeros((2, 2, 40, 40, 3), np.uint8)
    with pytest.raises(ValueError, match="windows must be"):
        next(
            train_style(
                windows,
                np.zeros((2, 100), np.float32),
                Inverter(),
                PRESETS["ci"],
                MobileNetPyramid(),
            )
        )


def test_what_moves_along_is_steady_and_flicker_is_not() -> None:
    """Footage that slides has nearly no warping error; the same with noise of its own has much."""
    frames = sliding(2).astype(np.float32) / 255
    motion = Motion(*sliding(2))
    noise = np.random.default_rng(0).normal(0, 0.1, frames.shape).astype(np.float32)
    still = motion.error(*frames)
    assert still < 0.03
    assert motion.error(*(frames + noise)) > 0.1


def test_edges_are_kept_by_a_negative_and_lost_by_a_blur() -> None:
    """Of an equal picture 1; colours do not count."""
    frame = sliding(1)[0].astype(np.float32) / 255
    assert edge_ssim(frame, frame) == pytest.approx(1)
    assert edge_ssim(1 - frame, frame) > 0.99
    assert edge_ssim(cv2.GaussianBlur(frame, (0, 0), 6), frame) < 0.7


@pytest.mark.parametrize("kind", TEXTURES)
def test_a_texture_is_the_same_for_the_same_seed_alone(kind: str) -> None:
    """Style pictures are made anew wherever they are needed."""
    assert np.array_equal(texture(kind, 1, 64), texture(kind, 1, 64))
    assert not np.array_equal(texture(kind, 1, 64), texture(kind, 2, 64))


def scores(**model: float) -> tuple[StyleScore, ...]:
    """A clip in both kinds of style: the baselines' figures are 1 but for the teacher's style."""
    base = {"warping": 1.0, "style_distance": 1.0, "edges": 0.5, "ms_per_frame": 1.0}
    return tuple(
        StyleScore("s", "s", "c", "a", kind, kind, method, 8, **(base | (model if ours else {})))
        for kind in KINDS
        for method, ours in ((MODEL, True), *((name, False) for name in BASELINES))
    )


def test_an_evaluation_without_a_baseline_is_refused() -> None:
    """Taken away from the JSON, too."""
    whole = StyleEvaluation(scores(warping=0.5))
    assert StyleEvaluation.from_json(whole.to_json()) == whole
    with pytest.raises(MissingBaselineError, match="teacher_ema"):
        StyleEvaluation(tuple(x for x in whole.scores if x.method != "teacher_ema"))


def test_a_network_that_paints_nothing_is_not_promoted() -> None:
    """Unpainted footage is steady; the gate of style distance holds it back."""
    recipe = StyleRecipe()
    idle = StyleEvaluation(scores(warping=0.9))
    painter = StyleEvaluation(scores(warping=0.9, style_distance=0.4))
    failed = {gate.name for gate in recipe.gates(idle, None) if not gate.passed}
    assert failed == {"style_distance"}
    assert all(gate.passed for gate in recipe.gates(painter, None))
    worse = StyleEvaluation(scores(warping=0.95, style_distance=0.4))
    failed = {gate.name for gate in recipe.gates(worse, painter) if not gate.passed}
    assert failed == {"warping_over_champion"}


def written(folder: Path, pixels: npt.NDArray, name: str = "a.png") -> Path:
    """Write a picture as OpenCV does."""
    assert cv2.imwrite(str(folder / name), pixels)
    return folder / name


def test_pictures_of_every_make_are_read_alike(tmp_path: Path) -> None:
    """Grey, 16 bits, alpha over white, JPEG: (H, W, 3) rgb."""
    grey = written(tmp_path, np.full((40, 50), 90, np.uint8))
    assert (style_picture_of(grey) == 90).all()
    deep = written(tmp_path, np.full((40, 50, 3), 90 << 8, np.uint16))
    assert (style_picture_of(deep) == 90).all()
    clear = np.zeros((40, 50, 4), np.uint8)
    clear[:20] = (10, 20, 30, 255)
    found = style_picture_of(written(tmp_path, clear))
    assert found[0, 0].tolist() == [30, 20, 10]
    assert (found[20:] == 255).all()
    jpeg = style_picture_of(written(tmp_path, np.full((40, 50, 3), 90, np.uint8), "a.jpg"))
    assert jpeg.shape == (40, 50, 3)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    """Text, a pixel, a cut file, a header that claims ten thousand times its pixels."""
    file = tmp_path / "a.png"
    huge = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 60_000, 60_000)
    small = written(tmp_path, np.zeros((1, 1, 3), np.uint8), "one.png").read_bytes()
    whole = written(tmp_path, np.zeros((64, 64, 3), np.uint8), "w.png").read_bytes()
    jpeg = written(tmp_path, np.zeros((64, 64, 3), np.uint8), "w.jpg").read_bytes()
    for data, said in (
        (b"no picture", "is no PNG"),
        (b"", "is no PNG"),
        (jpeg[:20], "is no PNG"),
        (huge, "at most 64 Mpx"),
        (small, "no style is seen"),
        (whole[:40], "damaged"),
    ):
        file.write_bytes(data)
        with pytest.raises(InputFileError, match=said):
            style_picture_of(file)


def test_a_picture_needs_the_teacher_and_a_name_does_not(tmp_path: Path) -> None:
    """The error says which command brings it; a name that is none lists those there are."""
    settings = Settings(home=tmp_path / "home")
    assert application_of("style", {"style": "ink"}).resolved(settings)
    picture = written(tmp_path, texture("mosaic", 1))
    with pytest.raises(AssetMissingError) as missing:
        application_of("style", {"style": str(picture)}).resolved(settings)
    assert missing.value.command == "stillhouse assets fetch style-teacher"
    with pytest.raises(InputFileError, match="pastel, ink"):
        application_of("style", {"style": "cubist"}).resolved(settings)


@pytest.mark.parametrize("options", [{"strength": 1.5}, {"side": 3}, {"strength": float("nan")}])
def test_options_out_of_range_are_refused(options: dict) -> None:
    """Before anything is read."""
    with pytest.raises(ApplicationOptionError):
        application_of("style", options)


def test_a_video_is_never_larger_than_its_source() -> None:
    """Even sides; the shorter is the one that was asked for."""
    assert painted_size((1920, 1080), 480) == (852, 480)
    assert painted_size((321, 181), 480) == (320, 180)
    assert painted_size((1920, 1080), None) == (1920, 1080)
