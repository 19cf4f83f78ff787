"""Near-duplicates by code: windows of clips that the model cannot tell apart, in groups.

Reads the catalog; writes only what `kept_codes.py` keeps. Copies of whole recordings are found by
their pictures when they are ingested (table `duplicates`); this finds what is alike in any way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.span import SECOND_NS
from catalog.store import Catalog
from catalog.usersql import selection
from infra.errors import UsageError
from models.near_pairs import near_groups
from tasks.distiller.presets import MODEL_NAME
from tasks.search.kept_codes import kept_codes
from tasks.search.kept_rows import DamagedError

if TYPE_CHECKING:
    import numpy.typing as npt

    from infra.settings import Settings
    from tasks.search.searchable import Searchable

    Integers = npt.NDArray[np.int64]

# Of the distance between windows in a row. Of 13 re-encoded recordings it tied 6 to their originals
# and 4 pairs of strangers; ten times as much tied 12 and 192 (decision 0029).
SHARE = 0.01
# Windows of one session that begin less than this apart are neighbours, and always alike.
NEIGHBOURS_NS = 4 * SECOND_NS


def near_duplicates(
    settings: Settings,
    *,
    within: float | None = None,
    where: str | None = None,
    elsewhere: bool = False,
    model: str = MODEL_NAME,
    exact: bool = False,
    count: int = 10,
) -> dict[str, Any]:
    """Return the largest groups of windows whose codes are no further apart than `within`.

    Without it, than a hundredth of what windows usually are from the next of their clip: every
    model has its own measure of how far equal things are apart.

    Windows of one session are tied only if they are no neighbours in time, with `elsewhere` never;
    `where` is SQL that gives the `clip_id` of those that are looked at. Of a group the first is
    its medoid, and `away` is how far a code is from it, 1 - cosine.

    Raises:
        UsageError: `within` is no distance.
        CatalogEmptyError: no clip has a code.
        SelectionInvalidError, SelectionEmptyError: what `where` says.
    """
    if within is not None and not 0 <= within <= 1:
        raise UsageError(
            f"--within is 1 - cosine, from 0 to 1; {within} is not.",
            command="stillhouse search --duplicates --within 0.02",
        )
    snapshot = Catalog(settings.catalog).snapshot()
    among = None
    if where is not None:
        among = {choice.clip_id for choice in selection(snapshot, where)}
    found = kept_codes(snapshot, model, settings)
    if within is None:
        within = SHARE * neighbours_apart(found)
    clips = found.allowed(among)
    groups, by = _groups(found, within, clips, elsewhere=elsewhere, exact=exact)
    told = [_told(found, group) for group in groups[:count]]
    return {
        "groups": told,
        "found": len(groups),
        "windows": sum(len(group) for group in groups),
        "searched": len(found.starts),
        "within": float(f"{within:.3g}"),
        "by": by,
    }


def neighbours_apart(found: Searchable) -> float:
    """Return the median distance of windows from the next of their clip; 0 where none has one."""
    next_one = np.setdiff1d(np.arange(1, len(found.places)), found.starts)
    some = next_one[np.linspace(0, len(next_one) - 1, min(len(next_one), 65_536)).astype(np.int64)]
    if not len(some):
        return 0.0
    alike = np.einsum("nd,nd->n", found.vectors[some], found.vectors[some - 1])
    return float(np.clip(1 - np.median(alike), 0, 1))


def _groups(
    found: Searchable,
    within: float,
    clips: npt.NDArray[np.bool_] | None,
    *,
    elsewhere: bool,
    exact: bool,
) -> tuple[list[Integers], str]:
    session = found.places["session_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    start = found.places["start_ns"].to_numpy()
    rows = np.arange(len(start))
    if clips is not None:
        rows = rows[np.repeat(clips, np.diff(np.append(found.starts, len(start))))]

    def apart(a: Integers, b: Integers) -> npt.NDArray[np.bool_]:
        other = session[rows[a]] != session[rows[b]]
        if elsewhere:
            return np.asarray(other, bool)
        return np.asarray(other | (np.abs(start[rows[a]] - start[rows[b]]) >= NEIGHBOURS_NS), bool)

    vectors = found.vectors if clips is None else found.vectors[rows]
    if found.lists is not None and clips is None and not exact:
        try:
            return near_groups(vectors, within, apart, found.lists), "approximate"
        except DamagedError:
            pass
    return [rows[one] for one in near_groups(vectors, within, apart)], "exact"


def _told(found: Searchable, group: Integers) -> list[dict[str, Any]]:
    middle = found.vectors[group[0]]
    away = np.maximum(0, 1 - found.vectors[group] @ middle)
    rows = found.places.take(group).to_pylist()
    return [row | {"away": round(float(x), 4)} for row, x in zip(rows, away, strict=True)]
