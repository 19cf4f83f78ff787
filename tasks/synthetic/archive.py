"""Archives with known truth: small folders of video, and the numbers that are true of them.

Writes a folder of recordings, good and bad, rendered from `world.py`; reads nothing. `truth.py`
says what is true of them. For tests and for trying things out: never shown as a result.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catalog.span import SECOND_NS
from tasks.in_place import in_place
from tasks.mux import Sound, write_video
from tasks.synthetic.truth import ArchiveSpec, RecordingTruth, ShotTruth, Truth, write_truth_json
from tasks.synthetic.world import Camera

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.synthetic.truth import Begins

__all__ = [
    "ArchiveSpec",
    "RecordingTruth",
    "ShotTruth",
    "Truth",
    "write_archive",
    "write_truth_json",
]

# When the cameras of a session start, after the first: not whole frames, as nothing in life is.
_STARTS_NS = (0, 130_000_000, 293_000_000)
_BEEP_HZ, _BEEP_NS, _SOUND_RATE = 1000, 100_000_000, 44_100
_TAKE_1, _TAKE_2, _CUTS, _VFR, _BFRAMES, _ROTATED, _SOUND, _CUT_OFF, _FADES = range(0, 90, 10)


def write_archive(folder: Path | str, spec: ArchiveSpec | None = None) -> Truth:
    """Make an archive in a new folder: two sessions of cameras, single recordings, bad files.

    Raises:
        FileExistsError: if the folder is there already.
        DiskFullError: if the disk is full.
    """
    truth = archive_truth(folder, spec)
    folder = truth.folder
    folder.mkdir(parents=True)
    for member, recording in truth.recordings.items():
        path = folder / member
        path.parent.mkdir(exist_ok=True)
        if recording.frames:
            _write(path, truth, recording)
    _cut_after(folder / "truncated.mp4", truth.recordings["truncated.mp4"].intact)
    with in_place(folder / "unfinished.mp4") as partial:
        whole = (folder / "unfinished.mp4").read_bytes()
        partial.write_bytes(whole[: len(whole) // 2])
    (folder / "empty.mp4").touch()
    (folder / "notes.mp4").write_text("Camera 2 drops out at about ten past four.\n" * 40)
    return truth


def archive_truth(folder: Path | str, spec: ArchiveSpec | None = None) -> Truth:
    """Return what is true of the archive that `write_archive` makes of this specification."""
    spec = spec or ArchiveSpec()
    return Truth(Path(folder), spec, {found.member: found for found in _recordings(spec)})


def _recordings(spec: ArchiveSpec) -> Iterator[RecordingTruth]:
    """Yield every file of the archive as it is meant to be."""
    for take, (world, azimuths) in enumerate(
        ((_TAKE_1, (-0.5, 0.0, 0.55)), (_TAKE_2, (-0.3, 0.4)))
    ):
        for number, (azimuth, start) in enumerate(zip(azimuths, _STARTS_NS, strict=False)):
            camera = Camera(spec.take_width, spec.take_height, azimuth, -0.1 - 0.07 * number)
            yield replace(
                _recording(f"take_{take + 1}/cam{number + 1:02}.mp4", spec, world, camera),
                session=f"take_{take + 1}",
                camera_id=f"cam{number + 1:02}",
                times_ns=_even(spec.take_frames, spec.rate),
                intact=spec.take_frames,
                offset_ns=start,
            )
    width, height, count = spec.single_width, spec.single_height, spec.single_frames
    still, orbiting = Camera(width, height), Camera(width, height, orbit=0.12)
    third = count // 3
    cuts = _recording("cuts.mp4", spec, _CUTS, still)
    others = [
        ShotTruth(
            third * number, 100 * spec.seed + _CUTS + number, replace(still, azimuth=0.5 * number)
        )
        for number in (1, 2)
    ]
    yield replace(cuts, shots=(*cuts.shots, *others))
    yield _edited(spec, still)
    # Whole milliseconds, 20 to 80 apart: what phones do, and what any container keeps exactly.
    steps = np.random.default_rng([spec.seed, _VFR]).integers(20, 81, count - 1)
    uneven = tuple(int(ms) * 1_000_000 for ms in (0, *np.cumsum(steps)))
    yield replace(_recording("vfr.mp4", spec, _VFR, still), times_ns=uneven, is_vfr=True)
    yield _recording("bframes.mp4", spec, _BFRAMES, orbiting)
    yield replace(_recording("rotated.mp4", spec, _ROTATED, Camera(height, width)), rotation=90)
    sound = _recording("sound.mp4", spec, _SOUND, orbiting)
    length = SECOND_NS * sound.frames // spec.rate
    beeps = tuple(range(length // 4, length - _BEEP_NS, SECOND_NS))
    yield replace(sound, beeps_ns=beeps)
    yield replace(_recording("truncated.mp4", spec, _CUT_OFF, still), intact=count // 2)
    unfinished = _recording("unfinished.mp4", spec, _CUT_OFF, still)
    yield replace(unfinished, readable=False, intact=0, reason="index_lost")
    yield RecordingTruth("empty.mp4", "empty", readable=False, reason="empty_file")
    yield RecordingTruth("notes.mp4", "notes", readable=False, reason="not_a_video")


def _edited(spec: ArchiveSpec, camera: Camera) -> RecordingTruth:
    """Return a recording with a cut, a fade and a dissolve, and a flash before and between them."""
    quarter, side = 3 * spec.single_frames // 4, spec.single_frames // 5
    plain = _recording("fades.mp4", spec, _FADES, camera)
    ways: tuple[Begins, ...] = ("cut", "fade", "dissolve")
    others = [
        ShotTruth(
            quarter * number,
            plain.shots[0].seed + number,
            replace(camera, azimuth=0.5 * number),
            begins,
            0 if begins == "cut" else side,
        )
        for number, begins in enumerate(ways, start=1)
    ]
    lit = [frame for start in (quarter // 2, 5 * quarter // 2) for frame in (start, start + 1)]
    return replace(
        plain,
        times_ns=_even(4 * quarter, spec.rate),
        intact=4 * quarter,
        shots=(*plain.shots, *others),
        flashes=tuple(lit),
    )


def _recording(member: str, spec: ArchiveSpec, world: int, camera: Camera) -> RecordingTruth:
    """Return a plain single recording of one shot."""
    return RecordingTruth(
        member=member,
        session=member.removesuffix(".mp4"),
        width=camera.width,
        height=camera.height,
        times_ns=_even(spec.single_frames, spec.rate),
        shots=(ShotTruth(0, 100 * spec.seed + world, camera),),
        intact=spec.single_frames,
    )


def _even(count: int, rate: int) -> tuple[int, ...]:
    return tuple(SECOND_NS * frame // rate for frame in range(count))


# What each file is encoded with where that is its point; all have a keyframe at least a second.
_ENCODER = {
    "bframes.mp4": {"g": "24", "bf": "3", "b_strategy": "0", "sc_threshold": "0"},
    "truncated.mp4": {"g": "12", "bf": "0"},
}


def _write(path: Path, truth: Truth, recording: RecordingTruth) -> None:
    turns = recording.rotation // 90
    pictures = (
        # Stored as the sensor lay; the tag turns it back.
        np.rot90(truth.picture_truth(recording.member, frame), turns)
        for frame in range(recording.frames)
    )
    write_video(
        path,
        zip(pictures, recording.times_ns, strict=True) if recording.is_vfr else pictures,
        rate=Fraction(truth.spec.rate),
        options={"g": "25"} | _ENCODER.get(recording.member, {}),
        rotation=recording.rotation,
        # A recorder that is switched off never wrote its index, which comes last.
        container_options={"movflags": "-faststart"} if recording.reason else None,
        audio=_beeps(recording, truth.spec.rate) if recording.beeps_ns else None,
    )


def _beeps(recording: RecordingTruth, rate: int) -> Sound:
    """Return a tone that starts at each of the recording's beeps, silence between."""
    count = recording.frames * _SOUND_RATE // rate
    samples = np.zeros((count, 1), np.float32)
    length = _BEEP_NS * _SOUND_RATE // SECOND_NS
    tone = 0.5 * np.sin(2 * np.pi * _BEEP_HZ / _SOUND_RATE * np.arange(length))
    for beep_ns in recording.beeps_ns:
        first = beep_ns * _SOUND_RATE // SECOND_NS
        samples[first : first + length, 0] = tone
    return Sound(samples, _SOUND_RATE)


def _cut_after(path: Path, frames: int) -> None:
    """Cut an mp4 with its index in front in the middle of the frame after `frames` whole ones.

    The file has one track without reordering, so that its samples lie in the order of the frames.
    """
    whole = path.read_bytes()
    table = whole.index(b"stsz") + 12  # version and flags, then 0: sizes follow, one a sample
    count = struct.unpack_from(">I", whole, table)[0]
    sizes = struct.unpack_from(f">{count}I", whole, table + 4)
    media = whole.index(b"mdat", table) + 4
    with in_place(path) as partial:
        partial.write_bytes(whole[: media + sum(sizes[:frames]) + sizes[frames] // 2])
