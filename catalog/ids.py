"""Ids as functions of content: what a thing is decides its name, not where it lies or when it came.

Reads the bytes it is asked to name; writes nothing. Every id is 32 hex digits: the first 128 bits
of BLAKE3 (a prefix of what `b3sum` prints). With a billion ids the chance that any two collide is
1e-21, and half the length is half the size of the id columns, which do not compress.
"""

from __future__ import annotations

import json
from operator import index
from typing import TYPE_CHECKING, Any

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from catalog.span import Span

HEX_DIGITS = 32
# Read, not mapped: a file that another program cuts short while it is mapped kills the process.
CHUNK_BYTES = 4 << 20


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
    hasher = blake3()
    buffer = memoryview(bytearray(CHUNK_BYTES))
    left = size
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - unbuffered, and str is welcome
        file.seek(offset)
        while left is None or left > 0:
            room = buffer if left is None else buffer[: min(left, CHUNK_BYTES)]
            count = file.readinto(room)
            if not count:
                break
            hasher.update(room[:count])
            left = left if left is None else left - count
    if left:
        raise OSError(f"{path} ended {left} bytes before byte {offset + (size or 0)}")
    return str(hasher.hexdigest())[:HEX_DIGITS]


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
