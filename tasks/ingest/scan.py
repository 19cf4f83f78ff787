"""The one full decode of a recording at ingest, from which everything else is made.

Reads one video stream; writes nothing. Frames are accounted for, cuts and clocks can be found
from the signals of every frame, and repeats from four hashes a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from catalog.span import SECOND_NS, Span, merge
from infra.errors import MediaError
from tasks.containers.boxes import index_is_lost
from tasks.containers.salvage import Account, sound_steps
from tasks.containers.wanted import Clock
from tasks.decode import Decoded, Fault, Source, decode_all, decoder_build, probe
from tasks.ingest.signals import Meter, Signals
from tasks.recordings.media import byte_size

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.containers.header import Claims, Header
    from tasks.containers.limits import Limits

# The picture that changes and hashes are made from: .15 ms a frame at 720p, against 2.5 to decode.
LUMA_WIDTH, LUMA_HEIGHT = 64, 36
# A hash each quarter of a second: two copies that start within a second of each other then have
# hashes of frames at most an eighth apart.
HASH_STEP_NS = SECOND_NS // 4
# A step counts as odd when it is off the median by more than a tenth and more than 1.5 ticks
# (Matroska rounds to milliseconds); one odd step in a hundred makes a rate variable.
ODD_STEP, ODD_TICKS, ODD_SHARE = 0.1, 1.5, 0.01

# What a worker is given: a file's id, where it is, and the limits.


@dataclass(frozen=True, slots=True)
class Scan:
    """What a full decode found. Times are on the recording clock, 0 at the first good frame.

    `frames_decoded` are good frames; `frames_bad` are faults, frames the decoder flags as corrupt,
    and frames the container promised that never came: so `frames_decoded + frames_bad` equals
    `frames_header` where that is known and true, and exceeds it where it is too low.
    `sizes` are the frame sizes that decoding gave, (width, height) as stored, in order of coming:
    more than one where the picture changes size on the way.
    `bad_spans` covers, merged and in order, what each bad frame may have spoilt up to the next
    good keyframe (see `Account.bad_spans`): frames that decode in there are counted as decoded,
    and not to be used. Those before the first good frame are negative, those of a missing end
    lie after `duration_ns`. There is one if a frame is bad.
    `reason` is `truncated`, `undecodable`, `corrupt_frames`, `no_frame`, `demux_error` or None.
    `duration_ns` runs to the end of the last good frame. `signals` are a few numbers of each good
    frame; `hashes` a 64-bit difference hash of the frame shown at each `HASH_STEP_NS`.
    """

    header: Header
    start_pts: int
    time_base_num: int
    time_base_den: int
    duration_ns: int
    sizes: tuple[tuple[int, int], ...]
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
    """What is measured while frames go by."""

    def __init__(self) -> None:
        self.account = Account()
        self.meter = Meter(LUMA_WIDTH, LUMA_HEIGHT)
        self.sizes: dict[tuple[int, int], None] = {}
        self.last_duration = 0
        self.hashes: list[int] = []


def scan(source: Source, limits: Limits) -> Scan:
    """Decode a stream once in full and account for every frame.

    Raises:
        MediaError: the header is refused (see `probe`), or `index_lost`, `no_frames`,
            `limit_bytes`, `limit_frames`, `limit_duration`.
        OSError: the file is not there, may not be read, or its storage fails.
    """
    limits.check_bytes(source.name, byte_size(source))
    header = _probed(source, limits)
    claims = header.claims
    tally = _Tally()
    account = tally.account
    before: npt.NDArray[np.uint8] | None = None
    clock = Clock(0, claims.time_base_num, claims.time_base_den)
    for item in decode_all(source, limits, account=account):
        if isinstance(item, Fault):
            account.bad(item.pts, item.reason)
        elif item.corrupt:
            account.bad(item.pts, "corrupt_frames")
        else:
            if before is None:
                clock = Clock(item.pts, claims.time_base_num, claims.time_base_den)
            limits.check_time(source.name, clock.t_ns(item.pts))
            before = _note(tally, item, before, clock)
    if before is None:
        promised = f"it promises {claims.frames} and " if claims.frames else "it "
        why = account.reason or f"{promised}holds none"
        raise MediaError(f"{source.name}: no frame decodes ({why})", reason="no_frames")
    return _summary(header, clock, tally, before)


def _probed(source: Source, limits: Limits) -> Header:
    try:
        return probe(source, max_pixels=limits.pixels)
    except MediaError as refused:
        if refused.reason == "not_a_video" and index_is_lost(source):
            raise MediaError(
                f"{source.name}: its index was never written or is cut off, and without it no "
                "frame of an mp4 can be found",
                reason="index_lost",
            ) from refused
        raise


def _note(
    tally: _Tally, frame: Decoded, before: npt.NDArray[np.uint8] | None, clock: Clock
) -> npt.NDArray[np.uint8]:
    t_ns = clock.t_ns(frame.pts)
    luma = frame.luma(LUMA_WIDTH, LUMA_HEIGHT)
    if before is not None:
        _hash_until(tally, t_ns, before)
    tally.meter.note(t_ns, luma, before, key=frame.is_key)
    tally.account.good(frame.pts, key=frame.is_key)
    tally.sizes.setdefault(frame.size)
    tally.last_duration = frame.duration
    return luma


def _summary(header: Header, clock: Clock, tally: _Tally, last: npt.NDArray[np.uint8]) -> Scan:
    signals, account = tally.meter.signals(), tally.account
    times = signals.times_ns
    steps = np.diff(times)
    tick_ns = SECOND_NS * clock.num / clock.den
    step_ns = int(np.median(steps)) if len(steps) else _rate_step(header.claims)
    own_ns = clock.t_ns(clock.start_pts + tally.last_duration)
    # A last frame said to last ten steps, or a tenth of one, is a container's guess, unless there
    # is no other.
    is_likely = step_ns <= 10 * own_ns <= 100 * step_ns or (len(times) == 1 and own_ns > 0)
    last_ns = own_ns if is_likely else step_ns
    duration_ns = int(times[-1]) + max(1, last_ns)
    _hash_until(tally, duration_ns, last)
    missing = max(0, header.claims.frames - len(times) - account.frames_bad)
    spans = account.bad_spans(clock, duration_ns, step_ns)
    odd = np.abs(sound_steps(times, spans) - step_ns) > max(ODD_STEP * step_ns, ODD_TICKS * tick_ns)
    if missing:
        promised_ns = header.claims.duration_ns or 0
        spans.append(Span(duration_ns, max(promised_ns, duration_ns + missing * max(1, step_ns))))
        account.missing(missing)
    return Scan(
        header=header,
        start_pts=clock.start_pts,
        time_base_num=clock.num,
        time_base_den=clock.den,
        duration_ns=duration_ns,
        sizes=tuple(tally.sizes),
        frames_header=header.claims.frames,
        frames_decoded=len(times),
        frames_bad=account.frames_bad,
        bad_spans=merge(spans),
        reason=account.reason,
        is_vfr=bool(len(odd)) and float(odd.mean()) > ODD_SHARE,
        signals=signals,
        hashes=np.array(tally.hashes, np.uint64),
        decoder_build=decoder_build(),
    )


def _hash_until(tally: _Tally, until_ns: int, luma: npt.NDArray[np.uint8]) -> None:
    """Hash the frame shown at every step before `until_ns` that has no hash yet."""
    while len(tally.hashes) * HASH_STEP_NS < until_ns:
        tally.hashes.append(difference_hash(luma))


def difference_hash(luma: npt.NDArray[np.uint8]) -> int:
    """Return 64 bits of (height, width) luma: which of two neighbouring cells is the darker.

    Half of them across 8 x 5 cells, half down 5 x 8: cells that are large one way move little
    against themselves when a picture is cropped (see infra/decisions/0006-duplicates.md).
    """
    across = cv2.resize(luma, (5, 8), interpolation=cv2.INTER_AREA)
    down = cv2.resize(luma, (8, 5), interpolation=cv2.INTER_AREA)
    bits = np.concatenate(
        [(across[:, :-1] < across[:, 1:]).ravel(), (down[:-1] < down[1:]).ravel()]
    )
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _rate_step(claims: Claims) -> int:
    if claims.rate_num <= 0:
        return SECOND_NS // 25
    return max(1, SECOND_NS * claims.rate_den // claims.rate_num)
