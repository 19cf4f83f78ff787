"""The application *style* as a worker runs it: on frames that we make, and on real footage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch

from catalog.span import SECOND_NS, Span
from infra.errors import MediaError, ModelInvalidError
from models import weights
from models.style import StyleConfig, StyleNet
from tasks.applications.style import Stylise
from tasks.clocks.clock import CameraClock
from tasks.decode import Scale, Source, frames
from tasks.generation.requests import CameraSource, Encoding, Request
from tasks.mux import write_video
from tasks.recordings.sources import ClipSource
from tasks.style.textures import texture

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.generation.requests import Made

    Pixels = npt.NDArray[np.uint8]

FOOTAGE = Path(__file__).parents[2].parent / "shared" / "data" / "single" / "intel"
RATE, COUNT, SIZE = 25, 6, (160, 96)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small network of drawn weights; its last layer is strong, so that it does paint."""
    net = StyleNet(StyleConfig(names=("pastel", "ink"), width=8, blocks=1))
    generator = torch.Generator().manual_seed(0)
    net.init_weights(generator)
    with torch.no_grad():
        net.last.weight.normal_(0, 0.3, generator=generator)
    where = tmp_path_factory.mktemp("style") / "net"
    weights.save(where, net)
    return str(where)


@pytest.fixture
def source(tmp_path: Path) -> CameraSource:
    """A texture that slides."""
    wide = cv2.GaussianBlur(texture("strokes", 3), (0, 0), 1.5)
    pictures = [wide[20:116, 2 * k : 2 * k + 160].copy() for k in range(COUNT)]
    write_video(tmp_path / "one.mp4", pictures, rate=RATE, options={"crf": "5"})
    return camera(tmp_path / "one.mp4", SIZE, COUNT)


def camera(
    path: Path, size: tuple[int, int], count: int, rate: tuple[int, int] = (RATE, 1)
) -> CameraSource:
    """Say where a recording of so many frames is."""
    span = Span(0, count * SECOND_NS * rate[1] // rate[0])
    where = (str(path.parent), path.name, 0)
    clip = ClipSource("clip", "s", "s", path.stem, path.stem, span, CameraClock(), 0, *where)
    return CameraSource(replace(clip, size=size), None, None, rate, (1, 12800))


def made(asked: Stylise, folder: str, source: CameraSource, target: Path, given: object) -> Made:
    """Have it made as a worker does."""
    fine = Encoding(crf=5)
    asking = Request(target.stem, (source,), source.clip.span, (), given, fine, str(target))
    return asked.maker(folder).make(asking)


def shown(path: Path) -> Pixels:
    """(T, H, W, 3)."""
    scale = (Scale("all", None, None, "rgb24"),)
    found = frames(Source(str(path)), Span(0, 100 * SECOND_NS), scale, start_pts=0)
    return np.stack([frame.images["all"] for frame in found])


def test_strength_goes_from_the_footage_to_what_is_painted(
    tmp_path: Path, folder: str, source: CameraSource
) -> None:
    """At 0 it is the footage, at 1 it is far from it, at 1/2 it lies half way between."""
    videos = {}
    for strength in (0.0, 0.5, 1.0):
        target = tmp_path / f"{strength}.mp4"
        found = made(Stylise(strength=strength), folder, source, target, None)
        assert (found.written.frames, found.width, found.height) == (COUNT, *SIZE)
        videos[strength] = shown(target).astype(np.float32)
        if strength == 0:
            assert found.quality["edge_ssim"] > 0.999
            assert found.quality["warping_error_to_source"] == pytest.approx(1, abs=0.01)
    footage = shown(tmp_path / "one.mp4")
    assert np.abs(videos[0.0] - footage).mean() < 3
    assert np.abs(videos[1.0] - footage).mean() > 20
    assert np.abs(videos[0.5] - (videos[0.0] + videos[1.0]) / 2).mean() < 3


def test_a_style_by_name_and_one_by_code_differ(
    tmp_path: Path, folder: str, source: CameraSource
) -> None:
    """What a picture's code paints is not what a name does; the video's side is as was asked."""
    code = np.random.default_rng(0).normal(0, 3, 100).tolist()
    asked = {"pastel": None, "ink": None, "a picture of a digest": code}
    videos = []
    for k, (style, given) in enumerate(asked.items()):
        target = tmp_path / f"{k}.mp4"
        found = made(Stylise(style=style, side=64), folder, source, target, given)
        assert (found.width, found.height) == (106, 64)
        assert found.quality["style"] == style
        videos.append(shown(target).astype(np.float32))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(videos[one] - videos[other]).mean() > 3


def test_a_style_that_was_not_learned_is_refused(
    tmp_path: Path, folder: str, source: CameraSource
) -> None:
    """With those that were; nothing is written."""
    with pytest.raises(ModelInvalidError, match="has no style 'oil'; it has pastel, ink"):
        made(Stylise(style="oil"), folder, source, tmp_path / "made.mp4", None)
    assert not (tmp_path / "made.mp4").exists()


def test_what_cannot_be_read_is_a_reason_for_quarantine(tmp_path: Path, folder: str) -> None:
    """No half of a video is left."""
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    with pytest.raises(MediaError):
        made(
            Stylise(),
            folder,
            camera(tmp_path / "broken.mp4", SIZE, COUNT),
            tmp_path / "made.mp4",
            None,
        )
    assert not (tmp_path / "made.mp4").exists()


@pytest.mark.skipif(not FOOTAGE.is_dir(), reason="the real footage is not beside the repository")
def test_real_footage_is_painted(tmp_path: Path, folder: str) -> None:
    """Its frames, its shape, a picture beside the source's, and both measures in the row."""
    path = FOOTAGE / "car-detection.mp4"
    source = camera(path, (768, 432), 8, (25, 2))
    found = made(Stylise(side=96), folder, source, tmp_path / "made.mp4", None)
    assert found.written.frames == 8
    assert (found.width, found.height) == (170, 96)
    assert found.picture is not None
    assert 0 < found.quality["edge_ssim"] < 1
    assert found.quality["warping_error_to_source"] > 0
