"""The one full decode of a recording at ingest, from which everything else is made.

Reads one video stream; writes nothing. Frames are accounted for, cuts and clocks can be found
from the signals of every frame, and repeats from four hashes a second.
"""

from __future__ import annotations

import time
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from catalog.span import SECOND_NS, Span, merge
from infra.errors import MediaError
from tasks.decode import Decoded, Fault, Header, Source, decode_all, decoder_build, probe
from tasks.signals import Meter, Signals
from tasks.wanted import Clock

if TYPE_CHECKING:
    import numpy.typing as npt

# The picture that changes and hashes are made from: .15 ms a frame at 720p, against 2.5 to decode.
LUMA_WIDTH, LUMA_HEIGHT = 64, 36
# A hash each quarter of a second: two copies that start within a second of each other then have
# hashes of frames at most an eighth apart.
HASH_STEP_NS = SECOND_NS // 4
# A recording longer than this has timestamps that are not times.
LONGEST_NS = 31 * 86_400 * SECOND_NS
# A step counts as odd when it is off the median by more than a tenth and more than 1.5 ticks
# (Matroska rounds to milliseconds); one odd step in a hundred makes a rate variable.
ODD_STEP, ODD_TICKS, ODD_SHARE = 0.1, 1.5, 0.01


@dataclass(frozen=True, slots=True)
class Scan:
    """What a full decode found. Times are on the recording clock, 0 at the first good frame.

    `frames_decoded` are good frames; `frames_bad` are faults, frames the decoder flags as corrupt,
    and frames the container promised that never came: so `frames_decoded + frames_bad` equals
    `frames_header` where that is known and true, and exceeds it where it is too low.
    `bad_spans` covers, merged and in order, each bad frame up to the next good keyframe, since
    what is predicted from damage is damaged unflagged; those before the first good frame are
    negative, those of a missing end lie after `duration_ns`. There is one if a frame is bad.
    `reason` is `truncated`, `undecodable`, `corrupt_frames`, `no_frame`, `demux_error` or None.
    `duration_ns` runs to the end of the last good frame. `signals` are a few numbers of each good
    frame; `hashes` a 64-bit difference hash of the frame shown at each `HASH_STEP_NS`.
    """

    header: Header
    start_pts: int
    time_base_num: int
    time_base_den: int
    duration_ns: int
    frames_header: int
    frames_decoded: int
    frames_bad: int
    bad_spans: list[Span]
    reason: str | None
    is_vfr: bool
    signals: Signals
    hashes: npt.NDArray[np.uint64]
    decoder_build: str


class _Tally:
    """Everything noted while frames go by."""

    def __init__(self) -> None:
        self.pts = array("q")
        self.meter = Meter(LUMA_WIDTH, LUMA_HEIGHT)
        self.keys = array("q")
        self.bad: list[int | None] = []
        self.reasons: Counter[str] = Counter()
        self.last_duration = 0
        self.hashes: list[int] = []

    def spoil(self, pts: int | None, reason: str) -> None:
        """Note a bad frame; one without a time stands where the last good one did."""
        self.bad.append(pts if pts is not None or not self.pts else self.pts[-1] + 1)
        self.reasons[reason] += 1


def scan(source: Source, *, max_pixels: int, max_frames: int, threads: int = 1) -> Scan:
    """Decode a stream once in full and account for every frame.

    Raises:
        MediaError: the header is refused (see `probe`), or `no_frames`, `limit_frames`,
            `limit_duration`.
        OSError: the file is not there, may not be read, or its storage fails.
    """
    header = probe(source, max_pixels=max_pixels)
    tally = _Tally()
    before: npt.NDArray[np.uint8] | None = None
    clock = Clock(0, header.time_base_num, header.time_base_den)
    for item in decode_all(source, max_pixels=max_pixels, max_frames=max_frames, threads=threads):
        if isinstance(item, Fault):
            tally.spoil(item.pts, item.reason)
        elif item.corrupt:
            tally.spoil(item.pts, "corrupt_frames")
        else:
            if before is None:
                clock = Clock(item.pts, header.time_base_num, header.time_base_den)
            before = _note(tally, item, before, clock, source)
    if before is None:
        raise MediaError(
            f"{source.uri}: no frame decodes ({_commonest(tally.reasons) or 'it holds none'})",
            reason="no_frames",
        )
    return _summary(header, clock, tally, before)


def scan_file(item: tuple[str, str, int, int]) -> tuple[list[Scan | MediaError], float]:
    """Scan every video stream of a file, given (its id, path, max_pixels, max_frames).

    Returns what was found, stream by stream, and the CPU seconds it took. Runs in a worker, which
    imports this file and no engine (1 s of CPU each); never raises MediaError.

    Raises:
        OSError: the storage fails.
    """
    _, path, max_pixels, max_frames = item
    started = time.process_time()
    found: list[Scan | MediaError] = []
    streams = 1
    while len(found) < streams:
        source = Source(path, stream=len(found))
        try:
            result = scan(source, max_pixels=max_pixels, max_frames=max_frames)
        except MediaError as refused:
            found.append(refused)
        else:
            streams = result.header.video_streams
            found.append(result)
    return found, time.process_time() - started


def _note(
    tally: _Tally,
    frame: Decoded,
    before: npt.NDArray[np.uint8] | None,
    clock: Clock,
    source: Source,
) -> npt.NDArray[np.uint8]:
    t_ns = clock.t_ns(frame.pts)
    if t_ns > LONGEST_NS:
        raise MediaError(
            f"{source.uri}: a frame claims to be {t_ns // SECOND_NS} s after the first",
            reason="limit_duration",
        )
    luma = frame.luma(LUMA_WIDTH, LUMA_HEIGHT)
    if before is not None:
        _hash_until(tally, t_ns, before)
    tally.meter.note(t_ns, luma, before, key=frame.is_key)
    tally.pts.append(frame.pts)
    if frame.is_key:
        tally.keys.append(frame.pts)
    tally.last_duration = frame.duration
    return luma


def _summary(header: Header, clock: Clock, tally: _Tally, last: npt.NDArray[np.uint8]) -> Scan:
    signals = tally.meter.signals()
    times = signals.times_ns
    steps = np.diff(times)
    tick_ns = SECOND_NS * clock.num / clock.den
    step_ns = int(np.median(steps)) if len(steps) else _rate_step(header)
    own_ns = clock.t_ns(clock.start_pts + tally.last_duration)
    # A last frame said to last ten steps is a container's guess, unless there is no other.
    last_ns = own_ns if 0 < own_ns <= 10 * step_ns or (len(times) == 1 and own_ns > 0) else step_ns
    duration_ns = int(times[-1]) + max(1, last_ns)
    _hash_until(tally, duration_ns, last)
    missing = max(0, header.frames_header - len(times) - len(tally.bad))
    spans = _bad_spans(tally, clock, duration_ns, step_ns)
    odd = np.abs(_sound_steps(times, spans) - step_ns) > max(
        ODD_STEP * step_ns, ODD_TICKS * tick_ns
    )
    if missing:
        promised_ns = header.duration_ns or 0
        spans.append(Span(duration_ns, max(promised_ns, duration_ns + missing * max(1, step_ns))))
        tally.reasons["truncated"] += missing
    return Scan(
        header=header,
        start_pts=clock.start_pts,
        time_base_num=clock.num,
        time_base_den=clock.den,
        duration_ns=duration_ns,
        frames_header=header.frames_header,
        frames_decoded=len(times),
        frames_bad=len(tally.bad) + missing,
        bad_spans=merge(spans),
        reason="truncated" if missing else _commonest(tally.reasons),
        is_vfr=bool(len(odd)) and float(odd.mean()) > ODD_SHARE,
        signals=signals,
        hashes=np.array(tally.hashes, np.uint64),
        decoder_build=decoder_build(),
    )


def _bad_spans(tally: _Tally, clock: Clock, duration_ns: int, step_ns: int) -> list[Span]:
    """Return a span for each bad frame: from it to the next good keyframe, else to the end."""
    keys = np.array(tally.keys, np.int64)
    spans = []
    for pts in tally.bad:
        if pts is None or pts < clock.start_pts:
            start = -max(1, step_ns) if pts is None else clock.t_ns(pts)
            spans.append(Span(start, 0))
            continue
        after = int(np.searchsorted(keys, pts, side="right"))
        start = clock.t_ns(pts)
        end = clock.t_ns(int(keys[after])) if after < len(keys) else duration_ns
        spans.append(Span(start, max(end, start + max(1, step_ns))))
    return spans


def _sound_steps(times_ns: npt.NDArray[np.int64], bad: list[Span]) -> npt.NDArray[np.int64]:
    """Return the steps between frames outside bad spans: damage makes decoders invent times."""
    edges = [(span.start_ns, span.end_ns) for span in merge(bad)] or [(-1, -1)]
    starts, ends = np.array(edges, np.int64).T
    span = np.searchsorted(ends, times_ns[:-1], side="right")
    inside = (span < len(ends)) & (starts[np.minimum(span, len(ends) - 1)] < times_ns[1:])
    sound: npt.NDArray[np.int64] = np.diff(times_ns)[~inside]
    return sound


def _hash_until(tally: _Tally, until_ns: int, luma: npt.NDArray[np.uint8]) -> None:
    """Hash the frame shown at every step before `until_ns` that has no hash yet."""
    while len(tally.hashes) * HASH_STEP_NS < until_ns:
        tally.hashes.append(difference_hash(luma))


def difference_hash(luma: npt.NDArray[np.uint8]) -> int:
    """Return 64 bits of (height, width) luma: is each of 8 x 9 cells darker than its right one."""
    cells = cv2.resize(luma, (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits(cells[:, :-1] < cells[:, 1:])
    return int.from_bytes(bits.tobytes(), "big")


def _rate_step(header: Header) -> int:
    if header.rate_num <= 0:
        return SECOND_NS // 25
    return max(1, SECOND_NS * header.rate_den // header.rate_num)


def _commonest(reasons: Counter[str]) -> str | None:
    return reasons.most_common(1)[0][0] if reasons else None
