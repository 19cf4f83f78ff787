"""The approximate index of a matrix of codes, as files beside it: made once, mapped by a search.

Reads and writes `lists` in the matrix's folder. A search checks of it what it touches; a damaged
one is removed, and the answer is exact.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3

from models.inverted_lists import InvertedLists, list_count
from tasks.search.kept_rows import DamagedError, mapped, new_folder, read_facts, write_facts

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

# From so many codes on an index is kept: at 200,000 an exact search reads 100 MB, 10 to 20 ms.
WORTH = 200_000
_DIGEST = 32


def keep_lists(folder: Path, vectors: Floats) -> InvertedLists | None:
    """Make the index of the matrix in a folder, if it is not there, and return it."""
    found = read_lists(folder, len(vectors))
    if found is not None:
        return found
    made = InvertedLists.fit(vectors, list_count(len(vectors)))
    digests = np.frombuffer(
        b"".join(_digest(made, k) for k in range(len(made.centres))), np.uint8
    ).reshape(-1, _DIGEST)
    arrays: dict[str, npt.NDArray[Any]] = {
        "centres": made.centres,
        "starts": made.starts,
        "rows": made.rows,
        "digests": digests,
        "halves": made.halves,
    }
    with new_folder(folder / "lists") as part:
        write_facts(part, {}, arrays)
    return read_lists(folder, len(vectors))


def read_lists(folder: Path, vectors: int) -> InvertedLists | None:
    """Map the index of a matrix of so many vectors; None where there is none that can be used.

    All but the vectors is read and checked now; the vectors of a list when it is used.
    """
    lists = folder / "lists"
    if not lists.exists():
        return None
    try:
        facts = read_facts(lists)
        centres, starts, rows, digests = (
            mapped(lists, facts, name) for name in ("centres", "starts", "rows", "digests")
        )
        halves = mapped(lists, facts, "halves", check=False)
        _fit_together(centres, starts, rows, digests, halves, vectors)
    except DamagedError:
        shutil.rmtree(lists, ignore_errors=True)
        return None

    def checked(k: int) -> None:
        if _digest(found, k) != digests[k].tobytes():
            shutil.rmtree(lists, ignore_errors=True)
            raise DamagedError(f"{lists}: list {k} has another digest")

    found = InvertedLists(centres, starts, rows, halves, checked)
    return found


def _fit_together(
    centres: npt.NDArray[np.generic],
    starts: npt.NDArray[np.generic],
    rows: npt.NDArray[np.generic],
    digests: npt.NDArray[np.generic],
    halves: npt.NDArray[np.generic],
    vectors: int,
) -> None:
    """Raise DamagedError unless no number points outside of what is there."""
    kinds = [x.dtype.str for x in (centres, starts, rows, digests, halves)]
    right = kinds == ["<f4", "<i8", "<i4", "|u1", "<f2"] and centres.ndim == halves.ndim == 2
    right = right and rows.shape == (vectors,) and starts.shape == (len(centres) + 1,)
    right = right and digests.shape == (len(centres), _DIGEST)
    right = right and halves.shape == (vectors, centres.shape[1])
    if right:
        right = bool((np.diff(starts) >= 0).all() and starts[0] == 0 and starts[-1] == vectors)
        right = right and rows.min() >= 0 and rows.max() < vectors
        right = right and bool((np.abs(centres) <= 1.01).all())
    if not right:
        raise DamagedError("the parts of an index do not fit together")


def _digest(lists: InvertedLists, k: int) -> bytes:
    part = lists.halves[lists.starts[k] : lists.starts[k + 1]]
    return blake3(part.reshape(-1).view(np.uint8).data).digest()
