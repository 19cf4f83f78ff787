"""A synthetic archive's truth is checked against its pictures and files, not against itself."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from catalog.span import SECOND_NS, Span
from infra.errors import MediaError
from tasks.containers.limits import Limits
from tasks.decode import Scale, Source, frames
from tasks.ingest.scan import Scan, scan
from tasks.sessions.layout import places
from tasks.synthetic.archive import ArchiveSpec, Truth, write_archive, write_truth_json
from tasks.synthetic.world import Camera, World

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

SMALL = ArchiveSpec(take_frames=50, single_frames=30)
READABLE = [f"take_1/cam{n:02}.mp4" for n in (1, 2, 3)]
READABLE += [f"take_2/cam{n:02}.mp4" for n in (1, 2)]
READABLE += [
    f"{name}.mp4" for name in ("cuts", "fades", "vfr", "bframes", "rotated", "sound", "truncated")
]


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """An archive, smaller than the default: about 3 s."""
    return write_archive(tmp_path_factory.mktemp("synthetic") / "archive", SMALL)


def psnr(one: npt.NDArray[np.uint8], two: npt.NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio in dB."""
    error = np.mean((one.astype(float) - two) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def scanned(truth: Truth, member: str) -> Scan:
    """Decode one file of the archive in full."""
    return scan(Source(str(truth.folder / member)), Limits(pixels=1 << 24, frames=10_000))


@pytest.mark.parametrize("member", ["take_1/cam01.mp4", "take_2/cam02.mp4", "bframes.mp4"])
def test_flow_brings_the_next_frame_back(truth: Truth, member: str) -> None:
    """Warped back by the flow, the next picture equals this one wherever the point is seen."""
    gains = []
    for frame in (0, 11, 28):
        here, after = (truth.picture_truth(member, k) for k in (frame, frame + 1))
        flow, seen = truth.flow_truth(member, frame), truth.visible_truth(member, frame)
        assert flow.shape == (*here.shape[:2], 2)
        assert flow.dtype == np.float32
        y, x = np.mgrid[: here.shape[0], : here.shape[1]].astype(np.float32)
        back = cv2.remap(after, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC)
        objects = truth.silhouette_truth(member, frame) & seen
        assert seen.mean() > 0.95
        assert psnr(here[seen], back[seen]) > 30
        assert psnr(here[objects], back[objects]) > 28
        gains.append(psnr(here[objects], back[objects]) - psnr(here[objects], after[objects]))
    # In all, that is: objects that linger have next to no flow.
    assert np.mean(gains) > 5


def test_flow_needs_a_next_frame_of_the_same_shot(truth: Truth) -> None:
    """There is no flow from the last frame, nor across a cut."""
    cuts = truth.recordings["cuts.mp4"]
    with pytest.raises(IndexError, match="no frame 30"):
        truth.flow_truth("cuts.mp4", cuts.frames - 1)
    with pytest.raises(IndexError, match="cuts after frame 9"):
        truth.flow_truth("cuts.mp4", cuts.shots[1].first_frame - 1)


def test_only_silhouettes_move_before_a_still_camera(truth: Truth) -> None:
    """Away from every outline two pictures are equal to the bit; inside most pixels change."""
    for frame in (0, 20, 40):
        one, two = (truth.picture_truth("take_1/cam02.mp4", k) for k in (frame, frame + 4))
        inside = [truth.silhouette_truth("take_1/cam02.mp4", k) for k in (frame, frame + 4)]
        assert 0.08 < inside[0].mean() < 0.5
        # A pixel of slack: pictures blend what covers part of a pixel, outlines ask its middle.
        either = cv2.dilate((inside[0] | inside[1]).astype(np.uint8), np.ones((3, 3), np.uint8))
        changed = (one != two).any(axis=-1)
        assert not changed[either == 0].any()
        assert changed[inside[0] & inside[1]].mean() > 0.8


def test_cameras_see_one_room(truth: Truth) -> None:
    """Points of the room, carried over by depth and calibration, look alike to another camera."""
    one, two = "take_1/cam01.mp4", "take_1/cam02.mp4"
    k1, r1, t1 = truth.calibration_truth(one)
    k2, r2, t2 = truth.calibration_truth(two)
    assert np.allclose(r1 @ r1.T, np.eye(3))
    assert np.linalg.det(r1) == pytest.approx(1)
    depth = truth.depth_truth(one, 0)
    y, x = np.mgrid[: depth.shape[0], : depth.shape[1]]
    rays = np.einsum("ij,jhw->ihw", np.linalg.inv(k1), np.stack([x, y, np.ones_like(x)]))
    world = np.einsum("ji,jhw->ihw", r1, rays * depth - t1[:, None, None])
    there = np.einsum("ij,jhw->ihw", r2, world) + t2[:, None, None]
    column, row, _ = np.einsum("ij,jhw->ihw", k2, there / there[2]).astype(np.float32)
    mapped = cv2.remap(truth.picture_truth(two, 0), column, row, cv2.INTER_LINEAR)
    # The room, where the second camera sees it too: inside its picture, and not behind an object.
    found = cv2.remap(truth.depth_truth(two, 0), column, row, cv2.INTER_NEAREST, borderValue=0)
    seen = (truth.objects_truth(one, 0) == 0) & (np.abs(found / there[2] - 1) < 0.03)
    assert seen.mean() > 0.3
    here = truth.picture_truth(one, 0)
    shuffled = np.random.default_rng(0).permutation(mapped[seen])
    assert psnr(here[seen], mapped[seen]) > psnr(here[seen], shuffled) + 8


@pytest.mark.parametrize("member", READABLE)
def test_files_hold_the_frames_at_their_times(truth: Truth, member: str) -> None:
    """Decoding finds the frames, times, size, rotation and sound that the truth tells of."""
    recording, found = truth.recordings[member], scanned(truth, member)
    header = found.header
    assert (header.picture.width, header.picture.height) == (recording.width, recording.height)
    assert header.picture.rotation == recording.rotation
    assert header.claims.has_audio == bool(recording.beeps_ns)
    assert found.is_vfr == recording.is_vfr
    assert found.frames_header == recording.frames
    assert found.frames_decoded == recording.intact
    assert found.frames_bad == recording.frames - recording.intact
    assert tuple(found.signals.times_ns) == recording.times_ns[: recording.intact]


@pytest.mark.parametrize("member", ["take_1/cam03.mp4", "rotated.mp4", "vfr.mp4", "truncated.mp4"])
def test_files_show_the_pictures(truth: Truth, member: str) -> None:
    """What decodes is what was rendered, as displayed, but for the encoder's loss."""
    recording = truth.recordings[member]
    source = Source(str(truth.folder / member))
    full = Scale("full", None, None)
    start_pts = scanned(truth, member).start_pts
    last = recording.times_ns[recording.intact - 1]
    shown = list(frames(source, Span(0, last + 1), (full,), start_pts=start_pts))
    assert len(shown) == recording.intact
    for k in range(0, recording.intact, 7):
        assert psnr(shown[k].images["full"], truth.picture_truth(member, k)) > 29


def test_cuts_are_jumps(truth: Truth) -> None:
    """Luma changes at the told cuts several times as much as anywhere else."""
    recording, found = truth.recordings["cuts.mp4"], scanned(truth, "cuts.mp4")
    assert recording.cuts_ns == (400_000_000, 800_000_000)
    at_cut = np.isin(found.signals.times_ns, recording.cuts_ns)
    assert found.signals.change[at_cut].min() > 4 * found.signals.change[~at_cut].max()


def test_edits_are_what_they_are_told_to_be(truth: Truth) -> None:
    """A fade is black where it stands, a dissolve is half of each shot, a flash half white."""
    told = truth.recordings["fades.mp4"]
    cut, fade, dissolve = (shot.first_frame for shot in told.shots[1:])
    side = told.shots[2].side
    shown = [truth.picture_truth("fades.mp4", k).astype(float) for k in range(told.frames)]
    assert shown[fade].max() == 0
    assert shown[fade - side // 2].mean() == pytest.approx(shown[fade - side].mean() / 2, rel=0.1)
    # Its objects move on meanwhile, its walls do not.
    half = (shown[dissolve - side] + shown[dissolve + side]) / 2
    assert np.median(np.abs(shown[dissolve] - half)) < 2
    first = told.flashes[0]
    lit = (shown[first - 1] + 255) / 2
    assert np.median(np.abs(shown[first] - lit)) < 2
    assert told.cuts_ns == (told.times_ns[cut],)
    assert told.boundaries[1:] == (
        (told.times_ns[fade], "fade"),
        (told.times_ns[dissolve], "dissolve"),
    )


def test_cameras_start_when_told(truth: Truth) -> None:
    """Motion seen by two cameras agrees best when their clocks are set by the told offsets."""
    first, *others = [f"take_1/cam{n:02}.mp4" for n in (1, 2, 3)]
    here = scanned(truth, first)
    for other in others:
        there, told = scanned(truth, other), truth.recordings[other].offset_ns
        assert told > 0
        agreement = []
        tried = np.arange(-400, 401, 10) * 1_000_000
        for offset in tried:
            at = here.signals.times_ns[1:] - offset
            inside = (at > there.signals.times_ns[1]) & (at < there.signals.times_ns[-1])
            seen = np.interp(at[inside], there.signals.times_ns[1:], there.signals.change[1:])
            agreement.append(np.corrcoef(here.signals.change[1:][inside], seen)[0, 1])
        # Cameras see other sides of the same motion: within two frames.
        assert abs(tried[int(np.argmax(agreement))] - told) <= 80_000_000


def test_bad_files_are_refused_for_their_reason(truth: Truth) -> None:
    """An unfinished, an empty and a text file each say what is the matter."""
    refused = {m: found for m, found in truth.recordings.items() if not found.readable}
    assert set(refused) == {"unfinished.mp4", "empty.mp4", "notes.mp4"}
    for member, recording in refused.items():
        with pytest.raises(MediaError) as caught:
            scanned(truth, member)
        assert caught.value.reason == recording.reason


def test_the_folder_holds_what_is_told(truth: Truth) -> None:
    """Every file is in the truth, and its place says its session and camera."""
    members = {
        path.relative_to(truth.folder).as_posix()
        for path in truth.folder.rglob("*")
        if path.is_file()
    }
    assert members == set(truth.recordings)
    found = places(sorted(members))
    for member, recording in truth.recordings.items():
        assert (found[member].session, found[member].camera) == (
            recording.session,
            recording.camera_id,
        )


def test_the_same_seed_gives_the_same_archive(tmp_path: Path) -> None:
    """Bytes follow from the spec; another seed shows another world."""
    spec = ArchiveSpec(take_frames=6, single_frames=9)
    one, two = (write_archive(tmp_path / name, spec) for name in "ab")
    for member in READABLE:
        assert (one.folder / member).read_bytes() == (two.folder / member).read_bytes(), member
    assert not np.array_equal(World(1).room, World(2).room)
    with pytest.raises(FileExistsError):
        write_archive(tmp_path / "a", spec)


def test_the_truth_is_written_as_numbers(truth: Truth, tmp_path: Path) -> None:
    """The JSON tells times, cuts and offsets of every file."""
    write_truth_json(truth, tmp_path / "truth.json")
    told = json.loads((tmp_path / "truth.json").read_text())["recordings"]
    assert set(told) == set(truth.recordings)
    assert told["cuts.mp4"]["cuts_ns"] == [400_000_000, 800_000_000]
    assert told["take_1/cam02.mp4"]["offset_ns"] == 130_000_000
    assert told["vfr.mp4"]["times_ns"] == list(truth.recordings["vfr.mp4"].times_ns)


def test_pictures_are_textured() -> None:
    """No object and no wall is a flat drawing: luma varies inside every one of them."""
    for seed in (3, 4):
        world, camera = World(seed), Camera(192, 144)
        picture, ids = world.picture(camera, SECOND_NS), world.hits(camera, SECOND_NS).ids
        for number in np.unique(ids):
            inside = cv2.erode((ids == number).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            if inside.sum() > 60:
                assert picture[inside].mean(axis=-1).std() > 8


def test_motion_hurries_and_lingers_but_never_runs_back() -> None:
    """The objects' own time always advances, at changing speed."""
    world = World(5)
    beats = [world.beat(k / 25) for k in range(250)]
    steps = np.array([b - a for a, b in pairwise(beats)]) * 25
    assert steps.min() > 0.05
    assert steps.max() > 1.5
    assert steps.max() < 2
