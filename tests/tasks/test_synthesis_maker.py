"""The worker of synthesis on recordings whose every frame is known, and on real footage."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from catalog.span import SECOND_NS, Span
from infra.settings import Settings
from models import weights
from models.synthesis import Synthesis, SynthesisConfig
from tasks.applications.application import ChosenClip, Context, Draft, Refused
from tasks.applications.catalogue import application_of
from tasks.applications.synthesis_maker import SynthesisMaker
from tasks.clocks.clock import CameraClock
from tasks.decode import Scale, frames
from tasks.generation.requests import CameraSource, Encoding, Request
from tasks.recordings.sources import ClipSource
from tests.footage import Case, first_pts, write_case, x264

if TYPE_CHECKING:
    from tasks.generation.requests import Made

SPAN = Span(SECOND_NS, 2 * SECOND_NS)
# A worktree stands a folder deeper than a clone.
SHARED = next((p for p in Path(__file__).parents if (p / "shared/data").is_dir()), Path("/absent"))
REAL = SHARED / "shared/data/multicamera/handpose3d"


def camera(path: Path, name: str, size: tuple[int, int], rate: int, start_pts: int) -> CameraSource:
    clip = ClipSource(
        clip_id="clip",
        session_id="session",
        session_name="session",
        camera_id=name,
        recording_id=name,
        span=SPAN,
        clock=CameraClock(),
        start_pts=start_pts,
        archive_uri=str(path.parent),
        member=path.name,
        stream=0,
        size=size,
    )
    return CameraSource(clip, None, None, (rate, 1), (1, 12_800))


@pytest.fixture
def cameras(tmp_path: Path) -> tuple[CameraSource, ...]:
    """Two cameras that show the same, 4 s at 25 frames a second."""
    found = []
    for name in ("one.mp4", "two.mp4"):
        source = write_case(tmp_path, Case(name, "libx264", x264("keyint=25") | {"crf": "12"}))
        found.append(camera(tmp_path / name, name[:3], (96, 64), 25, first_pts(source)))
    return tuple(found)


def made(sources: tuple[CameraSource, ...], folder: Path, **options: Any) -> Made:  # noqa: ANN401
    application: Any = application_of("synthesis", options)
    if application.model is not None:
        weights.save(folder / "model", Synthesis(SynthesisConfig(width=8, blocks=1)))
    target = str(folder / "made.mp4")
    request = Request("made", sources, SPAN, (), None, Encoding(), target)
    found = application.maker(str(folder / "model") if application.model is not None else None)
    assert isinstance(found, SynthesisMaker)
    return found.make(request)


def test_bad_copies_are_fused_into_a_better_one(
    cameras: tuple[CameraSource, ...], tmp_path: Path
) -> None:
    """Three noisy copies: every frame is made, at its own time, 2 dB above the best copy."""
    noisy = ["gauss:3", "gauss:3", "gauss:3"]
    found = made(cameras[:1], tmp_path, mode="fuse", damage=noisy)
    assert found.written.frames == 25
    assert found.quality["psnr_y"] > found.quality["best_source_psnr_y"] + 2
    assert found.quality["sources"] == 3
    assert found.picture is not None
    assert Path(found.picture).exists()


def test_networks_are_asked_where_it_is_said(
    cameras: tuple[CameraSource, ...], tmp_path: Path
) -> None:
    """One that has learned nothing gives a source or near it; how often it was believed is said."""
    found = made(cameras[:1], tmp_path, mode="fuse", damage=["gauss:3", "gauss:3"], learned=True)
    assert 0 <= found.quality["fused_share"] <= 1
    assert found.quality["psnr_y"] > found.quality["best_source_psnr_y"] - 1


def test_the_rate_is_doubled(cameras: tuple[CameraSource, ...], tmp_path: Path) -> None:
    """25 frames become 49, evenly in time; what is remade beats the frame before."""
    twice = made(cameras[:1], tmp_path, mode="rate")
    assert (twice.written.frames, twice.quality["reference"]) == (49, "none")
    source = camera(tmp_path / "made.mp4", "made", (96, 64), 50, 0).clip.source
    scale = Scale("luma", None, None, "gray")
    whole = Span(0, 10 * SECOND_NS)
    times = [one.t_ns for one in frames(source, whole, (scale,), start_pts=0)]
    assert {round((b - a) / 1e6) for a, b in pairwise(times)} == {20}
    remade = made(cameras[:1], tmp_path, mode="rate", remake=True)
    assert remade.written.frames == 25
    assert remade.quality["psnr_y"] > remade.quality["before_psnr_y"] + 2


def test_a_missing_camera_is_made_of_the_others(
    cameras: tuple[CameraSource, ...], tmp_path: Path
) -> None:
    """Where another shows the same, it is that, and what was shown before is known."""
    found = made(cameras, tmp_path, mode="view")
    assert found.quality["background"] is True
    assert found.quality["psnr_y"] > 25


def test_clips_without_sources_enough_are_refused(cameras: tuple[CameraSource, ...]) -> None:
    """A single camera cannot be seen from others, nor fused with nothing."""
    context = Context(Settings(), None, None)  # type: ignore[arg-type]  # it is not looked at
    alone = ChosenClip(cameras[:1], cameras[:1])
    both = ChosenClip(cameras, cameras[:1])
    for options, clip, kind in (
        ({"mode": "view"}, alone, Refused),
        ({"mode": "fuse"}, both, Refused),
        ({"mode": "fuse", "others": True}, both, Draft),
        ({"mode": "fuse", "damage": ["gauss", "h264"]}, alone, Draft),
        ({"mode": "rate"}, alone, Draft),
        ({"mode": "view"}, both, Draft),
    ):
        (found,) = application_of("synthesis", options).drafts([clip], context)
        assert isinstance(found, kind), options


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not here")
def test_real_footage_is_fused_and_doubled(tmp_path: Path) -> None:
    """A webcam's hand: unlike damage is fused, and the moment between beats the frame before."""
    path = min(REAL.rglob("*.mp4"))
    source = camera(path, "cam0", (720, 720), 30, 0)
    bad = ["gauss:3", "gauss:3+impulse:1", "h264:3+gauss:2"]
    fused = made((source,), tmp_path, mode="fuse", damage=bad, side=144)
    assert fused.quality["psnr_y"] > fused.quality["best_source_psnr_y"]
    rate = made((source,), tmp_path, mode="rate", remake=True, side=144)
    assert rate.quality["psnr_y"] > rate.quality["before_psnr_y"]
