from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch

from catalog.span import SECOND_NS, Span
from infra.errors import ApplicationOptionError, MediaError, ModelInvalidError
from models import weights
from models.superresolution import SuperResolution, SuperResolutionConfig
from tasks.applications.application import ChosenClip, Context, Draft
from tasks.applications.catalogue import application_of
from tasks.applications.super_resolution import SuperResolve
from tasks.clocks.clock import CameraClock
from tasks.decode import Scale, Source, frames
from tasks.generation.requests import CameraSource, Encoding, Request
from tasks.mux import write_video
from tasks.recordings.sources import ClipSource

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.generation.requests import Made

    Pixels = npt.NDArray[np.uint8]

RIG = Path(__file__).parents[2].parent / "shared" / "data" / "multicamera" / "handpose3d"
RATE, COUNT, SIZE = 25, 6, (160, 96)
FINE = Encoding(crf=12)


def scene(k: int) -> Pixels:
    """Boxes that slide by, 160 x 96."""
    rng = np.random.default_rng(1)
    wide = np.full((96, 220, 3), 120, np.uint8)
    for _ in range(80):
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 5, 5), (215, 92, 26, 26)))
        cv2.rectangle(wide, (x, y), (x + w, y + h), rng.integers(0, 256, 3).tolist(), -1)
    return np.ascontiguousarray(cv2.GaussianBlur(wide, (0, 0), 0.6)[:, 2 * k : 2 * k + 160])


def turned(picture: Pixels) -> Pixels:
    """What a second camera shows of it."""
    turn = np.array([[1.01, 0.03, -5], [-0.02, 0.99, 4], [1e-4, -5e-5, 1]])
    return np.asarray(cv2.warpPerspective(picture, turn, SIZE), np.uint8)


@pytest.fixture
def rig(tmp_path: Path) -> tuple[CameraSource, CameraSource]:
    """Two cameras of one clip."""
    pictures = [scene(k) for k in range(COUNT)]
    fine = {"crf": "10"}
    write_video(tmp_path / "one.mp4", pictures, rate=RATE, options=fine)
    write_video(tmp_path / "two.mp4", [turned(p) for p in pictures], rate=RATE, options=fine)
    return camera(tmp_path / "one.mp4", SIZE), camera(tmp_path / "two.mp4", SIZE)


def camera(path: Path, size: tuple[int, int], count: int = COUNT, rate: int = RATE) -> CameraSource:
    """Say where a recording of so many frames is."""
    span = Span(0, count * SECOND_NS // rate)
    name = path.stem
    where = (str(path.parent), path.name, 0)
    clip = ClipSource("clip", "session", "session", name, name, span, CameraClock(), 0, *where)
    return CameraSource(replace(clip, size=size), None, None, (rate, 1), (1, 12800))


def model(folder: Path, scale: int = 2, *, reference: bool = False) -> str:
    """Keep a small network of drawn weights."""
    net = SuperResolution(SuperResolutionConfig(scale, 8, 6, 3, reference))  # type: ignore[arg-type]  # 2 or 4
    with torch.no_grad():
        net.last.weight.normal_(0, 0.02, generator=torch.Generator().manual_seed(0))
    weights.save(folder, net)
    return str(folder)


def made(asked: SuperResolve, folder: str, *sources: CameraSource, name: str = "made") -> Made:
    """Have it made as a worker does."""
    target = str(Path(folder).parent / f"{name}.mp4")
    span = sources[0].clip.span
    return asked.maker(folder).make(Request(name, sources, span, (), None, FINE, target))


def shown(path: Path) -> list[Pixels]:
    span = Span(0, 100 * SECOND_NS)
    scale = (Scale("all", None, None, "rgb24"),)
    return [f.images["all"] for f in frames(Source(str(path)), span, scale, start_pts=0)]


@pytest.mark.parametrize("scale", [2, 4])
def test_it_is_as_many_times_larger_as_was_asked(
    tmp_path: Path, rig: tuple[CameraSource, CameraSource], scale: int
) -> None:
    """Every frame of the source, at x2 or x4; brought down again it is nearly the source."""
    found = made(SuperResolve(scale=scale), model(tmp_path / "net", scale), rig[0])  # type: ignore[arg-type]  # 2 or 4
    assert (found.width, found.height) == (SIZE[0] * scale, SIZE[1] * scale)
    assert found.written.frames == COUNT
    assert found.quality["consistency_psnr_y"] > 25
    sides = {one.shape for one in shown(tmp_path / "made.mp4")}
    assert sides == {(SIZE[1] * scale, SIZE[0] * scale, 3)}


def test_bands_change_nothing(tmp_path: Path, rig: tuple[CameraSource, CameraSource]) -> None:
    """The video made ten rows at a time is the one that was made whole, but for rounding."""
    folder = model(tmp_path / "net")
    made(SuperResolve(), folder, rig[0], name="whole")
    made(SuperResolve(tile=10), folder, rig[0], name="tiled")
    whole, tiled = (shown(tmp_path / f"{name}.mp4") for name in ("whole", "tiled"))
    assert len(whole) == COUNT
    for a, b in zip(whole, tiled, strict=True):
        assert np.abs(a.astype(int) - b).max() <= 4
        assert np.abs(a.astype(int) - b).mean() < 0.1


def test_another_camera_is_looked_at_where_it_shows_the_same(
    tmp_path: Path, rig: tuple[CameraSource, CameraSource]
) -> None:
    """The row says how much of the picture had a reference: none without another camera."""
    asked = SuperResolve(references=True)
    folder = model(tmp_path / "net", reference=True)
    assert made(asked, folder, *rig, name="both").quality["referenced"] > 0.3
    assert made(asked, folder, rig[0], name="alone").quality["referenced"] == 0
    both, alone = (shown(tmp_path / f"{name}.mp4") for name in ("both", "alone"))
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(both, alone, strict=True)) > 8


def test_a_broken_other_camera_costs_its_reference_and_not_the_video(
    tmp_path: Path, rig: tuple[CameraSource, CameraSource]
) -> None:
    """What cannot be read beside ours is passed over; ours is what quarantine is for."""
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    broken = camera(tmp_path / "broken.mp4", SIZE)
    asked, folder = SuperResolve(references=True), model(tmp_path / "net", reference=True)
    assert made(asked, folder, rig[0], broken).quality["referenced"] == 0
    with pytest.raises(MediaError):
        made(asked, folder, broken, rig[0], name="none")
    assert not (tmp_path / "none.mp4").exists()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (SuperResolve(scale=4), "enlarges x2; x4 was asked for"),
        (SuperResolve(references=True), "enlarges x2; x2 with references was asked for"),
    ],
)
def test_a_model_of_another_kind_is_refused(tmp_path: Path, asked: SuperResolve, said: str) -> None:
    """Before anything is decoded, with what it is and what was wanted."""
    with pytest.raises(ModelInvalidError, match=said):
        asked.maker(model(tmp_path / "net"))


def test_each_kind_has_a_model_of_its_own() -> None:
    """The registry's names; what a row's parameters hold asks for the same again."""
    names = {
        application_of("super-resolution", options).model
        for options in (
            {},
            {"scale": 4},
            {"references": True},
            {"scale": 4, "references": True},
        )
    }
    assert names == {
        "super-resolution",
        "super-resolution-x4",
        "super-resolution-references",
        "super-resolution-x4-references",
    }
    with pytest.raises(ApplicationOptionError, match="scale"):
        application_of("super-resolution", {"scale": 3})
    with pytest.raises(ApplicationOptionError, match="tile"):
        application_of("super-resolution", {"tile": 0})


def test_the_other_cameras_are_sources_of_the_row(rig: tuple[CameraSource, CameraSource]) -> None:
    """Lineage names them, the enlarged one first; without references it is alone."""
    context = Context(None, None, None)  # type: ignore[arg-type]  # it is not looked at
    clip = ChosenClip(rig, rig)
    for asked, count in ((SuperResolve(references=True), 2), (SuperResolve(), 1)):
        drafts = list(asked.drafts([clip], context))
        assert [len(d.sources) for d in drafts if isinstance(d, Draft)] == [count, count]
        first, second = (d.sources[0] for d in drafts if isinstance(d, Draft))
        assert (first, second) == rig


@pytest.mark.skipif(not RIG.is_dir(), reason="the real rig is not beside the repository")
def test_a_real_rig_is_enlarged_with_its_other_camera(tmp_path: Path) -> None:
    """Two webcams on one hand: compared with the truth, what is covered is told, time goes on."""
    paths = sorted(RIG.rglob("*.mp4"))[:2]
    cameras = [camera(path, (720, 720), count=5, rate=30) for path in paths]
    asked = SuperResolve(input_side=180, references=True)
    found = made(asked, model(tmp_path / "net", reference=True), *cameras)
    assert found.written.frames == 5
    assert 0 <= found.quality["referenced"] <= 1
    assert found.quality["bicubic_psnr_y"] > 25
    pictures = shown(tmp_path / "made.mp4")
    assert all(a.shape == (360, 360, 3) for a in pictures)
    assert any(np.abs(a.astype(int) - b).max() > 0 for a, b in pairwise(pictures))
