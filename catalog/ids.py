"""Ids as functions of content: what a thing is decides its name, not where it lies or when it came.

Reads the bytes it is asked to name; writes nothing. Every id is 32 hex digits: the first 128 bits
of BLAKE3 (a prefix of what `b3sum` prints). With a billion ids the chance that any two collide is
1e-21, and half the length is half the size of the id columns, which do not compress.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from operator import index
from typing import TYPE_CHECKING, Any, Protocol

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from catalog.span import Span

HEX_DIGITS = 32
# Read, not mapped: a file that another program cuts short while it is mapped kills the process.
CHUNK_BYTES = 4 << 20
# A first read shorter than this is hashed in less time than a thread starts.
SMALL_BYTES = 1 << 20


class Readable(Protocol):
    """A file that reads into a buffer and says how many bytes came, 0 at its end."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read at most the buffer's size."""


def digest(*parts: object) -> str:
    """Return the id of a sequence of parts, the same on every machine.

    Parts are strings, integers, booleans, None, and lists, tuples and string-keyed mappings of
    those. They are written as canonical JSON, so no joining of parts reads like another
    (`"a", "bc"` and `"ab", "c"` differ); the order of a mapping does not matter.

    Raises:
        TypeError: for a float, whose text depends on how it was computed, or any other type.
    """
    text = json.dumps(_plain(parts), sort_keys=True, separators=(",", ":"))
    return str(blake3(text.encode()).hexdigest())[:HEX_DIGITS]


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"an id takes mappings with string keys, not {value!r}")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) or not hasattr(value, "__index__"):
        raise TypeError(f"an id takes strings and integers, not {type(value).__name__} {value!r}")
    return index(value)


def file_id(path: str | Path, *, offset: int = 0, size: int | None = None) -> str:
    """Return the id of a file's bytes, or of `size` bytes from `offset` of it.

    Raises:
        OSError: if it cannot be read, or ends before `size` bytes were there.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - unbuffered, and str is welcome
        file.seek(offset)
        found, missing = _hashed(file.readinto, size)
    if missing:
        raise OSError(f"{path} ended {missing} bytes before byte {offset + (size or 0)}")
    return found


def bytes_id(file: Readable) -> str:
    """Return the id of all that is left in an open file, read to its end and not closed.

    Raises:
        Whatever its reading does.
    """
    return _hashed(file.readinto, None)[0]


def _hashed(readinto: Callable[[memoryview], int | None], size: int | None) -> tuple[str, int]:
    """Hash up to `size` bytes and say how many of them were not there.

    One thread reads a chunk while another hashes the one before, both without the interpreter's
    lock: 1.1 of the hash's own speed, where one after the other had 0.7.
    """
    hasher, left = blake3(), size
    first = memoryview(bytearray(CHUNK_BYTES))
    count = readinto(_room(first, left))
    if not count or count < SMALL_BYTES:
        # Most of a million small files are read by now: no thread for them.
        while count:
            hasher.update(first[:count])
            left = None if left is None else left - count
            count = readinto(_room(first, left))
        return str(hasher.hexdigest())[:HEX_DIGITS], left or 0
    second = memoryview(bytearray(CHUNK_BYTES))
    with ThreadPoolExecutor(1) as ahead:
        while count:
            left = None if left is None else left - count
            coming = ahead.submit(readinto, _room(second, left))
            hasher.update(first[:count])
            count = coming.result()
            first, second = second, first
    return str(hasher.hexdigest())[:HEX_DIGITS], left or 0


def _room(buffer: memoryview, left: int | None) -> memoryview:
    return buffer if left is None else buffer[: min(left, CHUNK_BYTES)]


def recording_id(file: str, stream: int = 0) -> str:
    """Return the id of one video stream of a file, given the file's id.

    The first stream bears the file's own id: nearly every file has one only.
    """
    return file if stream == 0 else digest("recording", file, stream)


def session_id(members: Iterable[tuple[str, str, int, int]]) -> str:
    """Return the id of a session from `(camera, recording, offset_ns, drift_ppb)`, in any order.

    Raises:
        ValueError: without members, or with two for one camera.
    """
    ordered = sorted(members)
    cameras = {camera for camera, *_ in ordered}
    if not ordered or len(cameras) < len(ordered):
        raise ValueError(f"a session has one recording a camera, not {ordered}")
    return digest("session", *ordered)


def clip_id(session: str, span: Span) -> str:
    """Return the id of a span of a session."""
    return digest("clip", session, span.start_ns, span.end_ns)


def code_id(clip: str, first_step: int, version: str, given: str) -> str:
    """Return the id of the code of a clip's window: `version` and `given` as in table `codes`."""
    return digest("code", clip, first_step, version, given)


def generation_id(
    application: str,
    model_digest: str,
    clip: str,
    camera: str,
    span: Span,
    *,
    parameters: Mapping[str, object],
) -> str:
    """Return the id of what a model makes of a clip: equal requests are one generation.

    `model_digest` is that of the weights, not a version's number, which depends on the registry.

    Raises:
        TypeError: if a parameter is a float; give it as a string or scale it to an integer.
    """
    where = (clip, camera, span.start_ns, span.end_ns)
    return digest("generation", application, model_digest, *where, dict(parameters))
