"""The view depth: given by a recording, told by the champion, or absent and said."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt
import pytest
import torch

from infra import registry
from infra.settings import Settings
from models.depth import DepthNet, FrozenDepth
from models.weights import save
from tasks.decode import Scale, Source, sample
from tasks.depth.recipe import DepthRecipe
from tasks.kernels.depth_maps import affine_normalised, stored
from tasks.views.current import view_versions, weights_of
from tasks.views.depth import MODEL, NO_MODEL, SHIFT, SPEC, DepthKind
from tasks.views.packing import packed, unpacked, values
from tasks.views.view import DecodedClip

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 4


def write_gray(
    path: Path, frames: npt.NDArray[np.uint16], pixel_format: str = "gray16le", codec: str = "ffv1"
) -> Source:
    """Write deep grey frames as a depth camera's export does, 25 a second."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.pix_fmt = pixel_format
        stream.time_base = Fraction(1, 25)
        for k, samples in enumerate(frames):
            frame = av.VideoFrame(stream.width, stream.height, pixel_format)
            plane = frame.planes[0]
            rows = np.zeros((stream.height, plane.line_size // 2), np.uint16)
            rows[:, : stream.width] = samples
            plane.update(rows.astype(">u2" if pixel_format.endswith("be") else "<u2").tobytes())
            frame.pts, frame.time_base = k, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return Source(str(path))


def decoded(source: Source, scales: tuple[Scale, ...] = SPEC.scales) -> DecodedClip:
    """Return its first frames as extraction gives them to a view."""
    times = np.arange(STEPS, dtype=np.int64) * 40_000_000
    found = list(sample(source, times, scales, start_pts=0))
    images = {one.name: np.stack([s.images[one.name] for s in found]) for one in scales}
    return DecodedClip(times, np.ones(STEPS, bool), images, (160, 120))


def millimetres() -> npt.NDArray[np.uint16]:
    """A floor from 1 to 4 m with a box at 800 mm on the left and a hole on the right."""
    rows = np.linspace(4000, 1000, 120)[:, None]
    frames = np.repeat(np.repeat(rows, 160, axis=1)[None], STEPS, axis=0)
    frames[:, 30:60, 20:60] = 800
    frames[:, 60:90, 100:140] = 0
    return frames.astype(np.uint16)


@pytest.mark.parametrize(
    ("name", "pixel_format", "codec"),
    [
        ("a.mkv", "gray16le", "ffv1"),
        ("b.mkv", "gray12le", "ffv1"),
        ("c.mov", "gray16be", "png"),
    ],
)
def test_a_depth_stream_is_its_own_depth(
    tmp_path: Path, name: str, pixel_format: str, codec: str
) -> None:
    """Deep grey is depth: its inverse is taken, holes have no confidence, no model is needed."""
    truth = np.minimum(millimetres(), 4095)
    clip = decoded(write_gray(tmp_path / name, truth, pixel_format, codec))
    found = DepthKind().load(tmp_path, 1, {MODEL: ""}).compute(clip)
    assert found.mask.all()
    inverse, confidence = values(found, 0)[0, 0], values(found, 1)[0, 0]
    # The box covers rows 7 to 14 of 28 and columns 4 to 10; a level is 1/255 of the nearest.
    assert inverse[8:13, 5:9] == pytest.approx(1 / 800, rel=0.01)
    assert inverse[26, 14] == pytest.approx(1 / truth[0, 113, 82], rel=0.02)
    assert not confidence[15:20, 19:23].any()
    assert not inverse[15:20, 19:23].any()
    assert confidence[2, 2] == 1


def test_an_ordinary_recording_is_no_depth_stream(tmp_path: Path) -> None:
    """Grey of 8 bits is a picture; without a champion its depth is absent, with the command."""
    with av.open(str(tmp_path / "grey.mkv"), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        for _ in range(STEPS):
            picture = np.full((48, 64), 90, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "gray")))
        file.mux(stream.encode(None))
    clip = decoded(Source(str(tmp_path / "grey.mkv")))
    assert not clip.images["deep112"].any()
    found = DepthKind().load(tmp_path, 1, {MODEL: ""}).compute(clip)
    assert found.absent == NO_MODEL
    assert "stillhouse distill --model depth" in NO_MODEL


def test_rotation_turns_a_depth_stream_too(tmp_path: Path) -> None:
    """Samples are as displayed, nearest neighbours: every value is one of the frame's."""
    source = write_gray(tmp_path / "a.mkv", millimetres())
    scale = Scale("deep", 28, 21, "gray16")
    samples = decoded(source, (scale,)).images["deep"]
    assert samples.shape == (STEPS, 21, 28, 2)
    assert set(samples.view("<u2").ravel().tolist()) <= set(millimetres().ravel().tolist())


@pytest.fixture(scope="module")
def net() -> DepthNet:
    """An untrained network of a seed."""
    module = DepthNet()
    module.init_weights(torch.Generator().manual_seed(5))
    return module.eval()


def test_the_champion_tells_depth(tmp_path: Path, net: DepthNet) -> None:
    """Promoted, placed and converted, it answers in OpenVINO (bf16) what torch answers (fp32)."""
    settings = Settings(home=tmp_path / "home")
    assert weights_of("depth", settings) == {MODEL: ""}
    before = view_versions(["depth"], settings)
    save(tmp_path / "model", net)
    with registry.start_run(settings, MODEL, {}, {}) as run:
        example = DepthRecipe().example()
        version = registry.register_model(run, MODEL, tmp_path / "model", example=example, tags={})
    assert registry.place_champion(settings, MODEL) == ""
    registry.set_champion(settings, MODEL, version)
    digests = weights_of("depth", settings)
    assert view_versions(["depth"], settings) != before
    assert registry.place_champion(settings, MODEL) == digests[MODEL]
    assert registry.place_champion(settings, MODEL) == digests[MODEL]

    pictures = np.random.default_rng(0).integers(0, 256, (STEPS, 112, 112, 3), np.uint8)
    doubled = pictures.repeat(2, axis=1).repeat(2, axis=2)
    images = {"rgb224": doubled, "deep112": np.zeros((STEPS, 112, 112, 2), np.uint8)}
    present = np.array([True, True, False, True])
    times = np.arange(STEPS, dtype=np.int64)
    kind = DepthKind()
    kind.prepare(settings.assets, digests)
    view = kind.load(settings.assets, 2, digests)
    found = view.compute(DecodedClip(times, present, images))
    with torch.no_grad():
        inverse, confidence = FrozenDepth(net)(torch.from_numpy(pictures))
    assert found.mask.tolist() == present.tolist()
    shown = present[:, None, None, None]
    expected = np.where(shown, np.maximum(inverse.numpy() + SHIFT, 0), 0)
    spread = np.abs(inverse - inverse.median()).mean().item()
    assert np.abs(values(found, 0) - expected).mean() <= found.scales[0] / 2 + 0.05 * spread
    assert np.abs(values(found, 1) - np.where(shown, confidence.numpy(), 0)).max() <= 0.05
    assert view.draw(found, 0).shape == (112, 112, 3)


def test_what_models_read_has_no_unit_and_no_scale() -> None:
    """Normalised by the clip, any affine change of the inverse is gone, in a piece of it too."""
    rng = np.random.default_rng(1)
    inverse = rng.uniform(1, 3, (5, 1, 28, 28)).astype(np.float32)
    sure = np.where(rng.random(inverse.shape) < 0.2, 0, 0.8).astype(np.float32)
    mask = np.array([True, True, False, True, True])
    one = stored(SPEC, inverse, sure, mask)
    other = stored(SPEC, inverse * 40 + 7, sure, mask)
    a, b = affine_normalised(one), affine_normalised(other)
    known = mask[:, None, None, None] & (sure > 0)
    assert a == pytest.approx(b, abs=0.15)  # 255 levels of which a shift leaves fewer
    assert np.median(a[known]) == pytest.approx(0, abs=0.03)
    assert np.abs(a[known]).mean() == pytest.approx(1, abs=0.03)
    assert not a[~known].any()
    again = unpacked(SPEC, packed(SPEC, one))
    assert np.array_equal(affine_normalised(again), a)


def test_nothing_known_is_absent() -> None:
    """A depth stream that is all holes says so."""
    nothing = np.zeros((3, 1, 28, 28), np.float32)
    assert stored(SPEC, nothing, nothing, np.ones(3, bool)).absent == "no depth was found"


def test_a_step_takes_less_than_twenty_kilobytes_a_second() -> None:
    """Two bytes a cell, 12.5 steps a second, before compression."""
    step = sum(int(np.prod(one.shape)) for one in SPEC.arrays)
    assert step * 12.5 <= 20_000
