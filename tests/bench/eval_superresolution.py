"""Super-resolution beside every peer: `eval_superresolution.py --home HOME [--seconds 90]`.

HOME is only read. Ours, ESPCN, FSRCNN and the multi-source variant are trained on its held-in
clips, each for as many CPU seconds on the same windows, and judged on its held-out sessions, x2
and x4. Every row enlarges the same small frames: antialiased cubic (bi), blurred and subsampled
(bd), H.264 at factor 28 (codec). `one frame` is ours restarted at each frame: what time brings.
Warping error is along the truth's motion, with the truth as a row; ms are CPU time a frame, one
thread. Then, for rigs, what another camera's frames add, at full and at our own resolution, beside
a simulated one that shows the same place; all references are found by the same matching. A gain of
more than 3 dB over bicubic is marked !: it has more often been a leak than a discovery. LPIPS and
VMAF are columns where what they need is here (`perceptual.py`); else it says what is missing.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from bench_ingest import cpu_model
from perceptual import lpips_of, vmaf, vmaf_program
from plainly import plainly, require_footage
from superresolution_peers import MULTI, OURS, networks

from catalog.store import Catalog
from infra.settings import load_settings
from models.haarpsi import haarpsi
from models.metrics import crop_border, luma, psnr, quantise, ssim
from models.precision import cpu_precision
from models.resample import downsample, upsample
from tasks.judging.baselines import CLASSICAL
from tasks.judging.heldout import sides_of
from tasks.judging.warping_error import Motion
from tasks.superresolution.degradations import DEGRADATIONS, to_bytes, to_tensor
from tasks.superresolution.evaluation import RED_FLAG_DB, SESSIONS_FOR_A_CLAIM
from tasks.superresolution.other_cameras import OtherCameras, read_in_time
from tasks.superresolution.reference_warps import grey
from tasks.windows.pixel_windows import TRUTH_SIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from models.precision import Precision
    from tasks.judging.heldout import Sized
    from tasks.recordings.sources import ClipSource

    Pixels = npt.NDArray[np.uint8]
    Rows = dict[str, Callable[[Tensor], Iterator[Tensor]]]

TRUTH = "truth"
MEASURES = ("psnr_y", "ssim", "haarpsi", "warping", "lpips", "vmaf", "ms")
LINE = "  {:<14}" + 8 * "{:>9}"


@dataclass(frozen=True)
class Clip:
    """The truth of one camera of one clip: frames (T, H, W, 3), their times, and its partners."""

    session: str
    frames: Pixels
    t_ns: tuple[int, ...]
    others: tuple[Sized, ...]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", required=True, help="an ingested home, which is only read")
    # 40 keep the whole within a quarter of an hour; decision 0024 is of 90 at x2, 35 at x4.
    parser.add_argument("--seconds", type=float, default=40.0, help="of CPU, a network")
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--parts", nargs="+", default=["rows", "sources"])
    parser.add_argument("--clips", type=int, default=2, help="a session")
    parser.add_argument("--frames", type=int, default=8, help="a clip")
    parser.add_argument("--keep", type=Path, default=Path("/tmp/superresolution-peers"))  # noqa: S108 - a bench
    parser.add_argument("--assets", type=Path, help="those of the home, if not given")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    settings = load_settings(given.home)
    train, heldout = sides_of(Catalog(settings.catalog).snapshot())
    require_footage(given.home, train, heldout)
    clips = list(clips_of(heldout, given.clips, given.frames))
    precision = cpu_precision()
    print(f"{cpu_model()}, torch {torch.__version__}, {precision}, one thread")
    sessions = len({clip.session for clip in clips})
    print(f"{len(clips)} clips of {sessions} held-out sessions, {given.frames} frames each")
    if sessions < SESSIONS_FOR_A_CLAIM:
        print(f"fewer than {SESSIONS_FOR_A_CLAIM} sessions: no claim of significance")
    eyes = Eyes(*lpips_of(given.assets or settings.assets), *vmaf_program())
    print(eyes.lpips_said, eyes.vmaf_said, sep="\n")
    for scale in given.scales:
        nets = networks(train, scale, given.seconds, given.keep)
        if "rows" in given.parts:
            print(f"\nx{scale}, every row on the same frames", flush=True)
            print_rows(clips, rows_of(nets, scale, precision), scale, eyes)
        if "sources" in given.parts:
            print(f"\nx{scale}, what another camera adds (bi, Y-PSNR in dB)", flush=True)
            print_sources(clips, nets, scale, precision)


@dataclass(frozen=True)
class Eyes:
    """LPIPS and VMAF, None where they cannot be had, and what is to be said of them."""

    lpips: Callable[[Tensor, Tensor], Tensor] | None = None
    lpips_said: str = ""
    program: str | None = None
    vmaf_said: str = ""

    def measures(self, made: Tensor, truth: Tensor) -> dict[str, float]:
        """Return both of frames (T, 3, H, W) of 0 to 1, nan for what is not here."""
        found = dict.fromkeys(("lpips", "vmaf"), math.nan)
        if self.lpips is not None:
            found["lpips"] = float(self.lpips(made, truth).mean())
        if self.program is not None:
            found["vmaf"] = vmaf(self.program, to_bytes(made), to_bytes(truth))
        return found


def clips_of(heldout: Sequence[Sized], per_session: int, frames: int) -> Iterator[Clip]:
    """Read the first frames of some clips of each session, each of another camera if it can be."""
    taken: dict[str, list[str]] = defaultdict(list)
    for clip, width, height in heldout:
        seen = taken[clip.session_name]
        if len(seen) >= per_session:
            continue
        seen.append(clip.camera_id)
        size = truth_size(width, height)
        read = list(islice(read_in_time(clip, size), frames))
        if len(read) < 2:
            continue
        others = tuple(
            one
            for one in heldout
            if one[0].clip_id == clip.clip_id and one[0].camera_id != clip.camera_id
        )
        pictures = np.stack([picture for _, picture in read])
        yield Clip(clip.session_name, pictures, tuple(t for t, _ in read), others)


def truth_size(width: int, height: int) -> tuple[int, int]:
    """Return the size that truth is judged at, as `pixel_windows` has it."""
    shrink = min(1.0, TRUTH_SIDE / min(width, height))
    across, down = (max(8, round(side * shrink) // 8 * 8) for side in (width, height))
    return across, down


def rows_of(nets: dict[str, Any], scale: int, precision: Precision) -> Rows:
    """Return each method as small frames (T, 3, h, w) -> large ones, one by one."""

    def filtered(name: str) -> Callable[[Tensor], Iterator[Tensor]]:
        return lambda small: (CLASSICAL[name](frame, scale) for frame in small)

    def streamed(name: str) -> Callable[[Tensor], Iterator[Tensor]]:
        return lambda small: nets[name].stream(small, precision=precision)

    def restarted(small: Tensor) -> Iterator[Tensor]:
        for frame in small:
            yield from nets[OURS].stream([frame], precision=precision)

    rows: Rows = {name: filtered(name) for name in CLASSICAL}
    rows |= {name: streamed(name) for name in ("espcn", "fsrcnn")}
    return rows | {"one frame": restarted, OURS: streamed(OURS), f"{MULTI} 0": streamed(MULTI)}


def print_rows(clips: Sequence[Clip], rows: Rows, scale: int, eyes: Eyes) -> None:
    """Score every method under every degradation; print a table a session, and the mean."""
    scores: dict[tuple[str, str, str], list[dict[str, float]]] = defaultdict(list)
    for clip in clips:
        truth = Truth(clip.frames, scale, eyes)
        for degradation, degrade in DEGRADATIONS.items():
            small = to_tensor(degrade(clip.frames, scale))
            for name, enlarge in rows.items():
                scores[clip.session, degradation, name].append(truth.score(enlarge(small)))
            scores[clip.session, degradation, TRUTH].append(truth.score(iter(truth.rgb)))
    sessions = list(dict.fromkeys(clip.session for clip in clips))
    for degradation in DEGRADATIONS:
        means: dict[str, list[dict[str, float]]] = defaultdict(list)
        for session in sessions:
            found = {n: mean(scores[session, degradation, n]) for n in (*rows, TRUTH)}
            for name, values in found.items():
                means[name].append(values)
            print_table(f"x{scale} {degradation} {session}", found)
        overall = {name: mean(values) for name, values in means.items()}
        print_table(f"x{scale} {degradation} MEAN OVER {len(sessions)} SESSIONS", overall)


class Truth:
    """Scores enlarged frames against the true ones."""

    def __init__(self, frames: Pixels, scale: int, eyes: Eyes | None = None) -> None:
        self.rgb = to_tensor(frames)
        self._eyes = eyes or Eyes()
        self._scale = scale
        self._luma = crop_border(luma(self.rgb), scale)
        self._greys = [grey(frame) for frame in frames]
        pairs = zip(self._greys, self._greys[1:], strict=False)
        self._motion = [Motion.between(a, b) for a, b in pairs]

    def psnr(self, enlarged: Iterator[Tensor]) -> float:
        """Return the mean Y-PSNR alone."""
        ours = crop_border(luma(quantise(torch.stack(list(enlarged)))), self._scale)
        return float(psnr(ours, self._luma).mean())

    def score(self, enlarged: Iterator[Tensor]) -> dict[str, float]:
        """Return the mean of each measure."""
        spent, made = 0.0, []
        while True:
            started = time.process_time()
            frame = next(enlarged, None)
            spent += time.process_time() - started
            if frame is None:
                break
            made.append(quantise(frame))
        ours = torch.stack(made)
        ours_y = crop_border(luma(ours), self._scale)
        greys = [grey(frame) for frame in to_bytes(ours)]
        left = [m.error(a, b) for m, a, b in zip(self._motion, greys, greys[1:], strict=False)]
        return {
            "psnr_y": float(psnr(ours_y, self._luma).mean()),
            "ssim": float(ssim(ours_y, self._luma).mean()),
            "haarpsi": float(haarpsi(ours, self.rgb).mean()),
            "warping": float(np.nanmean(left)),
            **self._eyes.measures(ours, self.rgb),
            "ms": 1e3 * spent / len(made),
        }


def mean(scores: Iterable[dict[str, float]]) -> dict[str, float]:
    """Mean of each measure."""
    held = list(scores)
    return {measure: fmean(one[measure] for one in held) for measure in MEASURES}


def print_table(title: str, found: dict[str, dict[str, float]]) -> None:
    """Print one block."""
    print(f"\n {title}")
    print(LINE.format("", "Y-PSNR", "gain", "SSIM", "HaarPSI", "warping", "LPIPS", "VMAF", "ms"))
    floor = found["bicubic"]["psnr_y"]
    for name, one in found.items():
        gain = f"{one['psnr_y'] - floor:+.2f}" if name != TRUTH else ""
        if name == OURS and one["psnr_y"] - floor > RED_FLAG_DB:
            gain = f"! {gain}"  # a red flag: look for a leak
        numbers = [f"{one['psnr_y']:.2f}", gain, f"{one['ssim']:.4f}", f"{one['haarpsi']:.4f}"]
        numbers += [f"{one['warping']:.2f}", f"{one['lpips']:.4f}", f"{one['vmaf']:.1f}"]
        print(LINE.format(name, *numbers, f"{one['ms']:.1f}").replace("nan", "  -"), flush=True)


def print_sources(
    clips: Sequence[Clip], nets: dict[str, Any], scale: int, precision: Precision
) -> None:
    """Compare ours, the variant without, and with references of several kinds."""
    form = "  {:<36}{:<12}{:>9}{:>9}{:>9}{:>9}{:>10}{:>9}"
    print(form.format("", "reference", "bicubic", OURS, "multi 0", "multi", "coverage", "ms find"))
    for clip in clips:
        truth = Truth(clip.frames, scale)
        small = to_tensor(DEGRADATIONS["bi"](clip.frames, scale))
        enlarged = to_bytes(torch.stack([upsample(frame, scale) for frame in small]))
        rows = rows_of(nets, scale, precision)
        known = {n: truth.psnr(rows[n](small)) for n in ("bicubic", OURS, f"{MULTI} 0")}
        for kind, cameras in kinds_of(clip, scale).items():
            others, started = OtherCameras(cameras), time.process_time()
            found = [others.at(e, t) for e, t in zip(enlarged, clip.t_ns, strict=True)]
            spent = (time.process_time() - started) * 1e3 / len(found)
            given = [one.tensor() for one in found]
            made = nets[MULTI].stream(small, precision=precision, references=given)
            covered = fmean(f.coverage for f in found)
            numbers = [f"{value:.2f}" for value in (*known.values(), truth.psnr(made))]
            print(
                form.format(clip.session, kind, *numbers, f"{covered:.3f}", f"{spent:.0f}"),
                flush=True,
            )


def kinds_of(clip: Clip, scale: int) -> dict[str, list[Callable[[], Iterator[Any]]]]:
    """Return the cameras to look at, by what they are."""
    kinds: dict[str, list[Callable[[], Iterator[Any]]]] = {
        "simulated": [lambda: zip(clip.t_ns, map(second_view, clip.frames), strict=True)]
    }
    if clip.others:
        kinds["full"] = [reader(one, width, height, 1) for one, width, height in clip.others]
        kinds["small"] = [reader(one, width, height, scale) for one, width, height in clip.others]
    return kinds


def reader(clip: ClipSource, width: int, height: int, scale: int) -> Callable[[], Iterator[Any]]:
    """Return what begins to read a camera at the truth's size, or made as small as ours is."""

    def begin() -> Iterator[Any]:
        for t_ns, picture in read_in_time(clip, truth_size(width, height)):
            if scale == 1:
                yield t_ns, picture
            else:
                small = quantise(downsample(to_tensor(picture[None]), scale))
                yield t_ns, to_bytes(upsample(small, scale))[0]

    return begin


def second_view(frame: Pixels) -> Pixels:
    """Show a frame as a camera a step to the side would a flat scene: turned, nearer, duller."""
    height, width = frame.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shift = np.array([[0.06, 0.04], [-0.02, 0.07], [-0.05, -0.03], [0.03, -0.06]], np.float32)
    plane = cv2.getPerspectiveTransform(corners + shift * np.float32([width, height]), corners)
    seen = cv2.warpPerspective(frame, plane, (width, height), flags=cv2.INTER_CUBIC)
    return np.asarray((seen * 0.95).round(), np.uint8)


if __name__ == "__main__":
    plainly(main)
