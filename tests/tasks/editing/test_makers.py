"""The workers of cut and edit on recordings whose every frame and beep is known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from editing_sources import camera_of, otio_clip, otio_join, otio_list, request_of, seconds

from catalog.span import SECOND_NS
from infra.errors import MediaError
from tasks.applications.cut import Cut, _given
from tasks.applications.cut_maker import CutMaker
from tasks.applications.edit import Edit
from tasks.applications.edit_maker import EditMaker
from tasks.editing.edit_list import parse_edit_list
from tasks.editing.mask_scores import region_psnr
from tasks.editing.sounding import RATE
from tasks.mux import write_video
from tasks.rigs.calibration import Calibration

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from tasks.generation.requests import Request
    from tasks.synthetic.truth import Truth

STEP_NS = SECOND_NS // 25


def _pictures(path: Path) -> list[tuple[int, npt.NDArray[np.uint8]]]:
    """Return time in ns and rgb of every frame of a file."""
    with av.open(str(path)) as file:
        return [
            (round(frame.time * SECOND_NS), frame.to_ndarray(format="rgb24"))
            for frame in file.decode(video=0)
        ]


def _samples(path: Path) -> npt.NDArray[np.float32]:
    """Return the sound of a file as it is heard, mono at 48 kHz from the file's time 0."""
    resampler = av.AudioResampler("fltp", "mono", RATE)
    parts: list[tuple[int, Any]] = []
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            parts += [
                (round(p.pts * p.time_base * RATE), p.to_ndarray()[0])
                for p in resampler.resample(frame)
            ]
    whole = np.zeros(max(first + len(part) for first, part in parts), np.float32)
    for first, part in parts:
        if first + len(part) > 0:
            whole[max(0, first) : first + len(part)] = part[max(0, -first) :]
    return whole


def _first_beep_s(samples: npt.NDArray[np.float32]) -> float:
    return float(np.flatnonzero(np.abs(samples) > 0.2)[0] / RATE)


def _same_frame(truth: Truth, member: str, found: npt.NDArray[np.uint8]) -> int:
    """Return which frame of a recording a picture is."""
    count = truth.recordings[member].frames
    errors = [
        np.abs(truth.picture_truth(member, k).astype(int) - found).mean() for k in range(count)
    ]
    return int(np.argmin(errors))


def test_cameras_cut_at_one_instant_stay_in_sync(truth: Truth, tmp_path: Path) -> None:
    """Three cameras that start apart: each shows, at each time, its frame of that instant."""
    span = seconds(0.5, 1.2)
    for name in ("cam01", "cam02", "cam03"):
        member = f"take_1/{name}.mp4"
        camera = camera_of(truth, member, span)
        target = tmp_path / f"{name}.mp4"
        made = CutMaker().make(request_of(target, (camera,), {"sound": None}))
        frames = _pictures(target)
        assert made.written.frames == len(frames)
        for t_ns, picture in (frames[0], frames[-1]):
            frame = _same_frame(truth, member, picture)
            recording = truth.recordings[member]
            taken = recording.offset_ns + recording.times_ns[frame]
            assert abs(taken - (span.start_ns + t_ns)) < STEP_NS
        assert 0 <= frames[0][0] < STEP_NS
        assert abs(len(frames) - span.duration_ns / STEP_NS) <= 1


def test_sound_is_cut_with_its_picture(truth: Truth, tmp_path: Path) -> None:
    """A beep is heard when the frame of its instant is shown, within one frame."""
    beep_ns = truth.recordings["sound.mp4"].beeps_ns[0]
    start = beep_ns / SECOND_NS - 0.2
    camera = camera_of(truth, "sound.mp4", seconds(start, start + 0.6))
    target = tmp_path / "cut.mp4"
    CutMaker().make(request_of(target, (camera,), {"sound": 0}))
    assert _first_beep_s(_samples(target)) == pytest.approx(0.2, abs=0.04)


def _program(truth: Truth, target: Path, raw: bytes, **more: Any) -> Request:  # noqa: ANN401
    """Return the request of an edit list whose sessions are members of the archive."""
    cuts = parse_edit_list(raw)
    sources, shots = [], []
    for number, track in enumerate(cuts.tracks):
        for shot in track:
            member = f"{shot.session}.mp4"
            sources.append(camera_of(truth, member, shot.session_span))
            sound = len(sources) - 1 if truth.recordings[member].beeps_ns else None
            shots.append(_given(shot, number, len(sources) - 1, sound))
    given = {
        "shots": shots,
        "tracks": len(cuts.tracks),
        "mix": cuts.mix.kind,
        "weights": list(cuts.mix.weights),
        "duration_ns": cuts.duration_ns,
        "rate": [25, 1],
        "size": list(sources[0].size),
        "camera": None,
        **more,
    }
    return request_of(target, tuple(sources), json.loads(json.dumps(given)))


def test_a_dissolve_shows_both_shots_by_weight(truth: Truth, tmp_path: Path) -> None:
    """Before it the first, after it the second, in its middle half of each."""
    first, second = "sound", "bframes"
    raw = otio_list(
        [
            otio_clip(f"stillhouse:{first}", 0.2, 0.4),
            otio_join("SMPTE_Dissolve", 0.12, 0.12),
            otio_clip(f"stillhouse:{second}", 0.6, 0.4),
        ]
    )
    target = tmp_path / "dissolve.mp4"
    made = CutMaker().make(_program(truth, target, raw))
    frames = [picture for _, picture in _pictures(target)]
    assert made.written.frames == len(frames) == 20
    for k, picture in enumerate(frames):
        middle = (k + 0.5) * 0.04
        share = min(1.0, max(0.0, (middle - 0.28) / 0.24))
        a = truth.picture_truth(f"{first}.mp4", round((0.2 + k * 0.04) * 25))
        b = truth.picture_truth(f"{second}.mp4", min(35, round((0.6 - 0.4 + k * 0.04) * 25)))
        exact = (a * (1 - share) + b * share).round().astype(np.uint8)
        assert region_psnr(picture, exact, np.ones(picture.shape[:2], bool)) > 26


def test_a_fade_goes_through_black_and_a_gap_is_black_and_silent(
    truth: Truth, tmp_path: Path
) -> None:
    """At the join nothing is shown; sound fades with its picture."""
    import opentimelineio as otio

    gap = otio.schema.Gap(
        source_range=otio.opentime.TimeRange(
            otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(5, 25)
        )
    )
    raw = otio_list(
        [
            otio_clip("stillhouse:sound", 0.2, 0.4),
            otio_join("fade", 0.2, 0.0),
            gap,
            otio_clip("stillhouse:sound", 0.2, 0.4),
        ]
    )
    target = tmp_path / "fade.mp4"
    CutMaker().make(_program(truth, target, raw))
    levels = [picture.mean() for _, picture in _pictures(target)]
    assert levels[2] > 60
    assert levels[2] > levels[6] > levels[8] > levels[9]
    assert max(levels[10:15]) < 2
    assert levels[16] > 60
    samples = _samples(target)
    assert np.abs(samples[round(0.44 * RATE) : round(0.58 * RATE)]).max() < 0.02


def test_sound_of_an_edit_list_is_in_sync_within_a_frame(truth: Truth, tmp_path: Path) -> None:
    """The beep of the second clip is heard where the list puts it."""
    beep_s = truth.recordings["sound.mp4"].beeps_ns[0] / SECOND_NS
    raw = otio_list(
        [
            otio_clip("stillhouse:bframes", 0, 0.48),
            otio_clip("stillhouse:sound", beep_s - 0.16, 0.6),
        ]
    )
    target = tmp_path / "sound.mp4"
    made = CutMaker().make(_program(truth, target, raw))
    assert made.written.has_audio
    assert _first_beep_s(_samples(target)) == pytest.approx(0.48 + 0.16, abs=0.02)


def test_tracks_beside_each_other_show_their_own(truth: Truth, tmp_path: Path) -> None:
    """The left half is the first track's, the right half the second's."""
    raw = otio_list(
        [otio_clip("stillhouse:bframes", 0, 0.4)],
        [otio_clip("stillhouse:cuts", 0, 0.4)],
        mix="side_by_side",
    )
    target = tmp_path / "beside.mp4"
    CutMaker().make(_program(truth, target, raw, size=[384, 144]))
    for k, (_, picture) in enumerate(_pictures(target)):
        for half, member in ((picture[:, :192], "bframes.mp4"), (picture[:, 192:], "cuts.mp4")):
            whole = np.ones(half.shape[:2], bool)
            assert region_psnr(half, truth.picture_truth(member, k), whole) > 26


def _edit(truth: Truth, tmp_path: Path, camera: str, marked: str, **options: Any) -> Any:  # noqa: ANN401
    """Return what was made of an object of take 1, its video and the true masks."""
    from editing_masks import model_of

    names = ["cam01", "cam02", "cam03"]
    span = seconds(0.4, 1.4)
    order = [camera] + ([marked] if marked != camera else [])
    order += [name for name in names if name not in order] if marked != camera else []
    sources = tuple(camera_of(truth, f"take_1/{name}.mp4", span) for name in order)
    models = [
        Calibration((model_of(truth.recordings[f"take_1/{n}.mp4"].shots[0].camera),)).to_json()
        for n in order
    ]
    at_ns = round(0.8 * SECOND_NS)
    recording = truth.recordings[f"take_1/{marked}.mp4"]
    frame = (at_ns - recording.offset_ns) // STEP_NS
    ids = truth.objects_truth(f"take_1/{marked}.mp4", frame)
    body = 1 + int(np.bincount(ids[ids > 0]).argmax() - 1)
    import cv2

    mask = tmp_path / "mask.png"
    mask.write_bytes(cv2.imencode(".png", (ids == body).astype(np.uint8) * 255)[1].tobytes())
    given = {"marked": min(1, len(sources) - 1), "at_ns": at_ns, "cameras": models}
    target = tmp_path / "edit.mp4"
    asked = Edit(mask=str(mask), **options)
    made = EditMaker(asked).make(request_of(target, sources, given))
    return made, _pictures(target), body


@pytest.mark.parametrize("camera", ["cam02", "cam01", "cam03"])
def test_an_edit_reaches_every_camera(truth: Truth, tmp_path: Path, camera: str) -> None:
    """Marked in the second camera, replaced by a plain colour in each; the rest stays as it was."""
    made, frames, body = _edit(truth, tmp_path, camera, "cam02", change="replace", colour="#ff00ff")
    assert made.quality["region"] == "seen"
    member = f"take_1/{camera}.mp4"
    hit, spared = [], []
    for _, picture in frames[::6]:
        magenta = (picture[..., 0] > 180) & (picture[..., 1] < 90) & (picture[..., 2] > 180)
        errors = [
            np.abs(truth.picture_truth(member, k).astype(int) - picture)[~magenta].mean()
            for k in range(truth.recordings[member].frames)
        ]
        true = truth.objects_truth(member, int(np.argmin(errors))) == body
        if true.sum() < 100:
            continue
        hit.append((magenta & true).sum() / true.sum())
        spared.append((magenta & ~true).sum() / true.sum())
    assert np.mean(hit) > 0.75
    assert np.mean(spared) < 0.25


def test_an_edit_takes_timing_and_sound_of_its_source(truth: Truth, tmp_path: Path) -> None:
    """As many frames, at the same times; a recording without sound stays so."""
    made, frames, _ = _edit(truth, tmp_path, "cam02", "cam02", change="blur")
    assert made.written.frames == len(frames) == 25
    assert np.diff([t for t, _ in frames]) == pytest.approx(STEP_NS, abs=1_000_000)
    assert not made.written.has_audio
    assert made.picture is not None


def test_a_region_that_nothing_looks_like_is_no_video(truth: Truth, tmp_path: Path) -> None:
    """The other camera shows grey noise, no calibration: quarantine, not a wrong edit."""
    span = seconds(0.2, 1.0)
    noise = np.random.default_rng(0).integers(100, 150, (30, 72, 96, 1)).astype(np.uint8)
    write_video(tmp_path / "noise.mp4", list(np.repeat(noise, 3, axis=3)), rate=25)
    marked = camera_of(truth, "bframes.mp4", span)
    clip = replace(
        marked.clip, archive_uri=str(tmp_path), member="noise.mp4", camera_id="other", size=(96, 72)
    )
    ids = truth.objects_truth("bframes.mp4", 5)
    rows, columns = np.nonzero(ids == np.bincount(ids[ids > 0]).argmax())
    box = f"{columns.min()},{rows.min()},{np.ptp(columns) + 1},{np.ptp(rows) + 1}"
    given = {"marked": 1, "at_ns": span.start_ns, "cameras": [None, None]}
    request = request_of(tmp_path / "x.mp4", (replace(marked, clip=clip), marked), given)
    with pytest.raises(MediaError) as refused:
        EditMaker(Edit(box=box)).make(request)
    assert refused.value.reason == "region_not_found"
    assert not (tmp_path / "x.mp4").exists()


def test_options_that_cannot_be_are_refused_before_any_clip(tmp_path: Path) -> None:
    """One typed error each, before the catalog is asked."""
    from infra.errors import EditListInvalidError, RegionInvalidError
    from infra.settings import Settings

    home = Settings(home=tmp_path)
    for wrong in (
        {},
        {"box": "1,2,3,4", "mask": "x"},
        {"box": "1,2"},
        {"box": "1,1,9,9", "at": -1.0},
        {"box": "1,1,9,9", "colour": "red"},
    ):
        with pytest.raises(RegionInvalidError):
            Edit(**wrong).resolved(home)
    for bad in (
        {"start": -1.0},
        {"start": 2.0, "end": 1.0},
        {"end": 1e12},
        {"rate": 0.0},
        {"rate": 1e9},
        {"width": 10**6, "height": 10},
        {"width": 64},
        {"start": float("nan")},
    ):
        with pytest.raises(EditListInvalidError):
            Cut(**bad).resolved(home)
