"""The same footage is found however it was treated, and nothing else is taken for it."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.span import SECOND_NS, Span
from tasks.containers.limits import Limits
from tasks.decode import Source
from tasks.ingest.duplicates import Duplicate, Footage, compare, find_duplicates
from tasks.ingest.scan import scan
from tasks.ingest.signals import NAMES, Signals
from tasks.mux import write_video
from tasks.synthetic.world import Camera, World

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Frames = list[npt.NDArray[np.uint8]]

DATA = Path(__file__).parents[2].parent / "shared" / "data"
RATE, SECONDS = 15, 6
CAMERA = Camera(192, 108)
# What is done to the 90 frames, and where the first frame left is in the original.
TREATED: dict[str, tuple[Callable[[Frames], Frames], int]] = {
    "coded_hard": (lambda frames: frames, 0),
    "trimmed": (lambda frames: frames[17:70], 17),
    "two_seconds": (lambda frames: frames[40:70], 40),
    "cropped": (lambda frames: [frame[6:102, 10:182] for frame in frames], 0),
    "dimmed": (lambda frames: [(frame * 0.7 + 40).astype(np.uint8) for frame in frames], 0),
    "tiny": (lambda frames: [np.ascontiguousarray(frame[::2, ::2]) for frame in frames], 0),
    "cut_in": (lambda frames: frames[45:] + film(2, CAMERA, 9, 4), 45),
}


def film(seed: int, camera: Camera, start_s: float, seconds: float, rate: int = RATE) -> Frames:
    """Return what a camera sees of a world for some seconds."""
    world = World(seed)
    times = [start_s + k / rate for k in range(round(seconds * rate))]
    return [world.picture(camera, round(t * SECOND_NS)) for t in times]


def footage(folder: Path, name: str, frames: Frames, rate: int = RATE, crf: int = 23) -> Footage:
    """Write frames and scan the file as ingest does."""
    path = folder / f"{name}.mp4"
    write_video(path, frames, rate=rate, options={"preset": "ultrafast", "crf": str(crf)})
    return scanned(path, name)


def scanned(path: Path, name: str) -> Footage:
    """Scan a file; the signals come as the catalog stores them."""
    found = scan(Source(str(path)), Limits(pixels=1 << 26, frames=10_000))
    return Footage(name, found.duration_ns, found.hashes, Signals.unpack(found.signals.pack()))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Footage]:
    """An original, copies of it, and what only looks like it; ids do not sort by kind."""
    folder = tmp_path_factory.mktemp("films")
    frames = film(1, CAMERA, 0, SECONDS)
    made = {"original": footage(folder, "original", frames)}
    for name, (treat, _) in TREATED.items():
        made[name] = footage(folder, name, treat(frames), crf=38 if name == "coded_hard" else 23)
    made["slower_rate"] = footage(folder, "slower_rate", film(1, CAMERA, 1.03, 4, 10), rate=10)
    made["later"] = footage(folder, "later", film(1, CAMERA, 30, SECONDS))
    beside = Camera(192, 108, azimuth=0.6)
    made["other_camera"] = footage(folder, "other_camera", film(1, beside, 0, SECONDS))
    made["stranger"] = footage(folder, "stranger", film(2, CAMERA, 0, SECONDS))
    made["still"] = footage(folder, "still", frames[:1] * 60)
    made["still_longer"] = footage(folder, "still_longer", frames[:1] * 90)
    return made


def offset_ns(found: Duplicate, of: str) -> int:
    """Return where 0 of the other recording is on the clock of one."""
    shift = found.span.start_ns - found.other_span.start_ns
    return shift if found.recording_id == of else -shift


@pytest.mark.parametrize("name", [*TREATED, "slower_rate"])
def test_a_copy_is_found_however_it_was_treated(known: dict[str, Footage], name: str) -> None:
    """The overlap is all that is shared, where it is, whatever was done to the pictures."""
    original, copy = known["original"], known[name]
    found = compare(original, copy)
    assert found is not None
    assert (found.recording_id, found.other_id) == tuple(sorted(("original", name)))
    start_ns = 1_030_000_000 if name == "slower_rate" else TREATED[name][1] * SECOND_NS // RATE
    assert abs(offset_ns(found, "original") - start_ns) <= 40_000_000
    shared = min(original.duration_ns - start_ns, copy.duration_ns)
    assert abs(found.span.duration_ns - shared) <= 300_000_000
    assert 0.55 < found.score <= 1


@pytest.mark.parametrize("name", ["later", "other_camera", "stranger", "still"])
def test_what_only_looks_alike_is_no_duplicate(known: dict[str, Footage], name: str) -> None:
    """Another time, another camera, another place, a picture of it: none is the footage."""
    assert compare(known["original"], known[name]) is None


def test_footage_in_which_nothing_moves_is_no_evidence(known: dict[str, Footage]) -> None:
    """Two recordings of the same still room may be of any two days: they are not called copies."""
    assert np.array_equal(known["still"].hashes, known["still_longer"].hashes[:16])
    assert compare(known["still"], known["still_longer"]) is None


def test_a_recording_is_all_of_itself(known: dict[str, Footage]) -> None:
    """Bytes that differ over the same pictures score 1 over the whole length."""
    one = known["original"]
    found = compare(one, replace(one, recording_id="twin"))
    assert found is not None
    assert (found.span, found.other_span) == (Span(0, one.duration_ns), Span(0, one.duration_ns))
    assert found.score == pytest.approx(1)


def test_what_is_found_does_not_depend_on_which_came_first(known: dict[str, Footage]) -> None:
    """Ingested at once, one by one, forwards or backwards, in any blocks: the same pairs."""
    everything = list(known.values())
    at_once = set(find_duplicates(everything, []))
    assert len(at_once) >= len(TREATED) + 1
    for order in (everything, everything[::-1]):
        one_by_one = [
            found
            for k, new in enumerate(order)
            for found in find_duplicates([new], [order[: k // 2], order[k // 2 : k]])
        ]
        assert len(one_by_one) == len(set(one_by_one))
        assert set(one_by_one) == at_once
    assert set(find_duplicates(everything, [everything])) == at_once
    compared = {compare(a, b) for a, b in combinations(everything, 2)} - {None}
    assert compared == at_once


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(6, 60), st.integers(6, 60), st.integers(-50, 50))
def test_spans_lie_within_both_recordings_and_agree(
    seed: int, length: int, other_length: int, shift: int
) -> None:
    """Either order gives the same; spans are equally long and inside; the score is a share."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, 200, dtype=np.uint64)
    levels = random.normal(0, 4, (len(NAMES), 200 * 8)).cumsum(axis=1).astype(np.float32)

    def cut(name: str, begin: int, count: int) -> Footage:
        """Take quarters of a second out of the one long recording, noise added."""
        noise = random.normal(0, 0.1, (len(NAMES), count * 8)).astype(np.float32)
        values = levels[:, begin * 8 : (begin + count) * 8] + noise
        times = np.arange(count * 8, dtype=np.int64) * (SECOND_NS // 32)
        return Footage(
            name, count * SECOND_NS // 4, hashes[begin : begin + count], Signals(times, *values)
        )

    one, other = cut("b", 60, length), cut("a", 60 + shift, other_length)
    found = compare(one, other)
    assert compare(other, one) == found
    quarters = max(0, min(60 + length, 60 + shift + other_length) - max(60, 60 + shift))
    if quarters >= 12:
        assert found is not None
    if found is None:
        return
    assert (found.recording_id, found.other_id) == ("a", "b")
    assert Span(0, other.duration_ns).covers(found.span)
    assert Span(0, one.duration_ns).covers(found.other_span)
    assert found.span.duration_ns == found.other_span.duration_ns
    assert 0 < found.score <= 1
    assert abs(offset_ns(found, "b") - shift * SECOND_NS // 4) <= 40_000_000
    assert abs(found.span.duration_ns - quarters * SECOND_NS // 4) <= 300_000_000


@pytest.mark.skipif(not DATA.exists(), reason="needs the footage of ../shared/data")
def test_gestures_before_the_same_wall_are_told_apart() -> None:
    """Signers before one fixed camera: twelve recordings, no two of them duplicates."""
    paths = sorted((DATA / "single/intel/asl_gestures").glob("*.mkv"))[:12]
    assert len(paths) == 12
    assert list(find_duplicates([scanned(path, path.stem) for path in paths], [])) == []


@pytest.mark.skipif(not DATA.exists(), reason="needs the footage of ../shared/data")
def test_two_streams_of_one_film_are_found() -> None:
    """A broadcast file holds its film twice, at two sizes."""
    path = DATA / "single/nasa_13013.mp4"
    streams = []
    for stream in (0, 1):
        found = scan(Source(str(path), stream=stream), Limits(pixels=1 << 26, frames=10_000))
        streams.append(Footage(f"s{stream}", found.duration_ns, found.hashes, found.signals))
    found = compare(*streams)
    assert found is not None
    assert found.score > 0.9
    assert found.span.duration_ns > 9 * SECOND_NS
