"""Files of plain numbers that a process maps instead of reading: written once, checked by digest.

Writes and reads folders below `home/state/search`. Whatever is in a file is made again elsewhere:
one that is damaged, cut short or of another layout is not there.
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from blake3 import blake3

from infra.storage import atomic_write_json, disk_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    Array = npt.NDArray[Any]

FACTS = "facts.json"
# Rows of a block of an array of which parts may be read: 2 MB of 128 numbers.
BLOCK_ROWS = 4096
# Facts are read so far: those of 4,000 files of codes are 400 KB.
_FACTS_BYTES = 64 << 20


class DamagedError(Exception):
    """A kept file is not what was written: make it again."""


def digest_of(array: Array) -> str:
    """Return BLAKE3 of an array's bytes; on all cores 512 MB take .1 s."""
    hasher = blake3(max_threads=blake3.AUTO)
    hasher.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return str(hasher.hexdigest())


def block_digests(array: Array) -> npt.NDArray[np.uint8]:
    """Return BLAKE3 of each block of `BLOCK_ROWS` rows: (B, 32)."""
    found = [_block(array, k) for k in range(-(-len(array) // BLOCK_ROWS))]
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, 32)


def checked_rows(array: Array, digests: Array, first: int, last: int) -> Array:
    """Return rows of an array that was mapped unchecked, after a look at the blocks they are in.

    Raises:
        DamagedError: one of these blocks is not what was written.
    """
    for k in range(first // BLOCK_ROWS, -(-last // BLOCK_ROWS)):
        if digests[k].tobytes() != _block(array, k):
            raise DamagedError(f"block {k} has another digest")
    return array[first:last]


def _block(array: Array, k: int) -> bytes:
    part = array[k * BLOCK_ROWS : (k + 1) * BLOCK_ROWS]
    return blake3(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data).digest()


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a folder to fill; others see it at `target` whole or not at all.

    Raises:
        DiskFullError, HomeNotWritableError: what the disk refuses; nothing is left behind.
    """
    part = target.with_name(f".{target.name}.{uuid4().hex}.partial")
    with disk_errors(target):
        try:
            part.mkdir(parents=True)
            yield part
            if target.exists():
                # One that was found damaged, or made by another process meanwhile.
                target.replace(part.with_suffix(".gone"))
            part.replace(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(part.with_suffix(".gone"), ignore_errors=True)


def write_facts(folder: Path, facts: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Write what the folder is, and of each of its arrays the type, shape and digest.

    The arrays lie beside it as `<name>.bin`: those that are not there yet are written.
    """
    told = {}
    for name, array in arrays.items():
        file = folder / f"{name}.bin"
        if not file.exists():
            array.tofile(file)
        told[name] = {
            "type": array.dtype.str,
            "shape": list(array.shape),
            "digest": digest_of(array),
        }
    atomic_write_json(folder / FACTS, {**facts, "arrays": told})


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what `write_facts` wrote.

    Raises:
        DamagedError: there is none, or it is no such thing.
    """
    try:
        with (folder / FACTS).open("rb") as file:
            facts = json.loads(file.read(_FACTS_BYTES))
    except (OSError, ValueError) as error:
        raise DamagedError(f"{folder}: {error}") from error
    if not isinstance(facts, dict) or not isinstance(facts.get("arrays"), dict):
        raise DamagedError(f"{folder}: no facts")
    return facts


def mapped(folder: Path, facts: dict[str, Any], name: str, *, check: bool = True) -> Array:
    """Map an array of the folder, read-only.

    With `check` all of it is held against its digest; else only its size is.

    Raises:
        DamagedError: it is not what was written.
    """
    try:
        one = facts["arrays"][name]
        dtype, shape = np.dtype(str(one["type"])), tuple(int(n) for n in one["shape"])
        file = folder / f"{name}.bin"
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.hasobject or min(shape, default=0) < 0 or file.stat().st_size != size:
            raise DamagedError(f"{file} has not {size} bytes")
        if not size:
            return np.empty(shape, dtype)
        # A plain view: every part of a map of numpy's is another map, and takes 10 us.
        array = np.asarray(np.memmap(file, dtype, "r", shape=shape))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise DamagedError(f"{folder}/{name}: {error}") from error
    if check and digest_of(array) != one["digest"]:
        raise DamagedError(f"{file} has another digest")
    return array
