"""One sampling job, done the same way by every engine: a recording in, rows of Parquet out.

Reads videos; `write_rows` and `Sampler` write Parquet files. The job: decode, keep the frame shown
at each half second, luma at 160x90, a 64-bit difference hash, a histogram of 16 bins, a flag where
the picture changed since the sample before. `naive_rows` is what one writes with PyAV, `rows` what
our reader does; `make_rows` is the part that both share, so that rows can be equal bit by bit.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from av.video.reformatter import VideoReformatter

from catalog.datafile import WrittenFile, write_file
from catalog.span import SECOND_NS
from catalog.table import Table, column
from tasks.decode import Scale, Source, keyframes, sample
from tasks.ingest.scan import difference_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    Luma = npt.NDArray[np.uint8]

WIDTH, HEIGHT, STEP_NS = 160, 90, SECOND_NS // 2
SMALL = (Scale("luma", WIDTH, HEIGHT, "gray"),)
BINS = 16
# Mean difference of two samples' luma that counts as a cut: far above what motion makes of it.
CUT = 24.0

SAMPLES = Table(
    name="samples",
    doc="One row a sampled frame.",
    schema=pa.schema(
        [
            column("clip", pa.string(), "name of the file"),
            column("t_ns", pa.int64(), "time of the frame"),
            column("luma", pa.binary(), "160x90 luma, row by row"),
            column("dhash", pa.int64(), "difference hash of 64 bits"),
            column("histogram", pa.list_(pa.int32()), "pixels in each of 16 bins of luma"),
            column("is_cut", pa.bool_(), "unlike the sample before"),
        ]
    ),
    sort_by=("clip", "t_ns"),
    plain_columns=("luma",),
)


@dataclass(frozen=True, slots=True)
class Clip:
    """A video to sample, whose first frame has pts 0."""

    path: str
    duration_ns: int
    frames: int

    @property
    def instants(self) -> range:
        """When to look."""
        return range(0, self.duration_ns, STEP_NS)


def make_rows(name: str, pictures: Iterable[tuple[int, Luma]]) -> Iterator[dict[str, Any]]:
    """Turn a recording's (t_ns, luma) samples into rows."""
    before: Luma | None = None
    for t_ns, luma in pictures:
        bins = cv2.calcHist([luma], [0], None, [BINS], [0, 256])
        yield {
            "clip": name,
            "t_ns": t_ns,
            "luma": luma.tobytes(),
            "dhash": int(np.uint64(difference_hash(luma)).astype(np.int64)),
            "histogram": bins.ravel().astype(np.int32).tolist(),
            "is_cut": before is not None and cv2.norm(luma, before, cv2.NORM_L1) > CUT * luma.size,
        }
        before = luma


def rows(clip: Clip, *, plan: bool) -> list[dict[str, Any]]:
    """Sample a clip with our reader, by packet plan or decoding everything."""
    found = sample(Source(clip.path), clip.instants, SMALL, start_pts=0, plan=plan)
    return list(make_rows(clip.path, ((one.t_ns, one.images["luma"]) for one in found)))


def key_rows(clip: Clip) -> list[dict[str, Any]]:
    """Do the same of the keyframes alone."""
    found = keyframes(Source(clip.path), SMALL, start_pts=0)
    return list(make_rows(clip.path, ((one.t_ns, one.images["luma"]) for one in found)))


def naive_rows(path: str, *, keys: bool = False) -> list[dict[str, Any]]:
    """Sample a video as one does with PyAV: decode all, keep by pts, one scaler for all frames."""
    return list(make_rows(path, _naive_key_pictures(path) if keys else _naive_pictures(path)))


def _naive_pictures(path: str) -> Iterator[tuple[int, Luma]]:
    scaler = VideoReformatter()
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        second = int(1 / stream.time_base)
        held, due = None, 0
        for frame in container.decode(stream):
            t_ns = frame.pts * SECOND_NS // second
            if held is not None and t_ns > due:
                yield held.pts * SECOND_NS // second, _luma(scaler, held)
                due += -((due - t_ns) // STEP_NS) * STEP_NS
            held = frame
        end = stream.duration * SECOND_NS // second
        if held is not None and due < end:
            yield held.pts * SECOND_NS // second, _luma(scaler, held)


def _naive_key_pictures(path: str) -> Iterator[tuple[int, Luma]]:
    scaler = VideoReformatter()
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        second = int(1 / stream.time_base)
        for frame in container.decode(stream):
            if frame.key_frame:
                yield frame.pts * SECOND_NS // second, _luma(scaler, frame)


def _luma(scaler: VideoReformatter, frame: av.VideoFrame) -> Luma:
    small = scaler.reformat(frame, WIDTH, HEIGHT, "yuv420p", interpolation="AREA", threads=1)
    plane = small.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:HEIGHT, :WIDTH].copy()


def write_rows(found: list[dict[str, Any]], path: Path) -> None:
    """Write rows as one writes them with Arrow."""
    table = pa.Table.from_pylist(found, schema=SAMPLES.schema)
    pq.write_table(table, path, compression="zstd", compression_level=1)


class Sampler:
    """Our worker: samples a batch of clips and writes one file of the table itself."""

    def __init__(self, catalog_uri: str, *, plan: bool) -> None:
        self._catalog_uri, self._plan = catalog_uri, plan

    def run(self, clips: list[Clip]) -> WrittenFile:
        """Sample and write; return what a commit needs to know."""
        found = [row for clip in clips for row in rows(clip, plan=self._plan)]
        return write_file(SAMPLES, found, self._catalog_uri)


def digest(folder: Path) -> tuple[int, str]:
    """Return how many rows a folder's Parquet files hold, and a digest that no order changes."""
    files = [str(path) for path in sorted(folder.rglob("*.parquet"))]
    names = SAMPLES.schema.names
    table = ds.dataset(files).to_table(columns=names).cast(SAMPLES.schema)
    ordered = table.sort_by([("clip", "ascending"), ("t_ns", "ascending")]).to_pylist()
    hasher = hashlib.sha256()
    for row in ordered:
        hasher.update(repr([row[name] for name in names]).encode())
    return len(ordered), hasher.hexdigest()[:12]
