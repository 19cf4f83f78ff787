"""Where a recording's bytes are, and what its header says.

`Source` names a byte range of a local file and a video stream in it; `Slice` reads such a range
in place; `Sampled` is a frame that was asked for. Reads local files; writes nothing.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import MediaError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# The containers that are read. Others the library knows are playlists and scripts, which reach
# for other files and addresses, still pictures, and text that it would draw as a terminal.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg",
    "rm", "mxf", "gxf", "nut", "nsv", "nuv", "dv", "ivf", "obu", "av1", "h261", "h263", "h264",
    "hevc", "vvc", "m4v", "mpegvideo", "mjpeg", "vc1", "cavsvideo", "dirac", "dnxhd",
    "yuv4mpegpipe", "swf", "amv", "wtv", "live_flv", "roq", "smk", "bink", "flic", "gif", "apng",
    "lxf", "ty", "pmp", "mtv", "dhav", "wav", "mp3", "aac", "flac", "aiff", "ac3", "eac3",
    "amr", "caf", "dts",
)  # fmt: skip

SPACES = {
    0: "rgb", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
    9: "bt2020nc", 10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c",
    14: "ictcp", 15: "ipt-c2",
}  # fmt: skip
RANGES = {1: "tv", 2: "pc"}
TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear",
    9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1",
    14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """One video stream of a local file, or of a byte range of one (a stored tar or zip member).

    `offset` and `size` are in bytes, `size` None reads to the end; `stream` counts the video
    streams, cover pictures left out.
    """

    uri: str
    offset: int = 0
    size: int | None = None
    stream: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether the range is the whole file."""
        return self.offset == 0 and self.size is None


@dataclass(frozen=True, slots=True)
class Header:
    """What a container says of one video stream, and its first frame of itself.

    `width` and `height` are as displayed, after `rotation`: the degrees, clockwise, to turn the
    stored picture (0, 90, 180 or 270; an insane value counts as 0). Pixels that are not square
    are not stretched. `rate_num / rate_den` is the average in frames a second, 0 / 1 if unknown.
    `frames_header` is how many frames the container promises to *show* (its index, less what an
    edit list hides); 0 if it does not say. Colours are ffmpeg's names, None where not tagged.
    """

    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int
    rate_num: int
    rate_den: int
    time_base_num: int
    time_base_den: int
    duration_ns: int | None
    frames_header: int
    has_audio: bool
    video_streams: int
    color_space: str | None
    color_range: str | None
    color_transfer: str | None
    color_primaries: str | None


@dataclass(frozen=True, slots=True)
class Sampled:
    """One frame that was wanted.

    `t_ns` is its recording time, `pts` its raw timestamp in ticks of `time_base` (num, den)
    seconds; `indices` are the positions in the request it serves (empty for a span); `images`
    maps each scale's name to its picture.
    """

    t_ns: int
    pts: int
    time_base: tuple[int, int]
    indices: tuple[int, ...]
    images: dict[str, npt.NDArray[np.uint8]]


class Slice(io.RawIOBase):
    """A byte range of a file that reads like a file of its own."""

    def __init__(self, path: str, offset: int, size: int) -> None:
        super().__init__()
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115  closed by close()
        self._offset, self._size, self._at = offset, size, 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be sought in."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place in the range and return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        """Return the place in the range."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes, never past the range's end."""
        left = max(0, self._size - self._at)
        self._file.seek(self._offset + self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def close(self) -> None:
        """Close the file beneath."""
        self._file.close()
        super().close()


def byte_size(source: Source) -> int:
    """Return how many bytes a source has, once it is sure that they may be read.

    Raises:
        MediaError: `empty_file`, or `not_a_video` for a folder or device.
        OSError: the file is not there or may not be read.
    """
    path = Path(source.uri)
    whole = path.stat().st_size
    if not path.is_file():
        raise MediaError(f"{source.uri} is not a file", reason="not_a_video")
    with path.open("rb") as file:
        file.seek(source.offset)
        file.read(1)
    left = max(0, whole - source.offset)
    size = left if source.size is None else min(source.size, left)
    if size == 0:
        raise MediaError(f"{source.uri} is empty", reason="empty_file")
    return size


def looks_encrypted(source: Source) -> bool:
    """Tell whether an mp4 carries the boxes of a rights management near its start."""
    with Path(source.uri).open("rb") as file:
        file.seek(source.offset)
        start = file.read(1 << 16)
    return b"ftyp" in start[:16] and (b"pssh" in start or b"encv" in start)


def read_through(source: Source) -> None:
    """Read every byte of a source once, so that a failing disk shows itself.

    A demuxer says "input/output error" of damaged contents too; the disk does not lie.

    Raises:
        OSError: the storage fails.
    """
    left = byte_size(source)
    with Path(source.uri).open("rb") as file:
        file.seek(source.offset)
        while left > 0:
            data = file.read(min(left, 1 << 20))
            if not data:
                return
            left -= len(data)
