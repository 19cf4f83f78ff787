"""What can be searched: vectors of current clips, by what a view says, by pose, or by code.

Reads the catalog; writes nothing. `search.py` asks; `kept_codes.py` has the codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.query import named
from infra.errors import CatalogEmptyError
from models.nearest_groups import groups_by_lists, nearest_groups, similarities, unit
from tasks.search.kept_rows import DamagedError
from tasks.views.catalogue import view_named
from tasks.views.current import view_versions
from tasks.views.packing import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from catalog.snapshot import Snapshot
    from infra.settings import Settings
    from models.inverted_lists import InvertedLists

    Floats = npt.NDArray[np.float32]

# A joint that is surer than this is there.
SURE = 0.5


@dataclass(frozen=True, eq=False)
class Searchable:
    """Vectors (N, D) of length 1, and to each where it is: `places` has a row a vector.

    Vectors of one clip stand together; clip g begins at `starts[g]`. `load` gives the vectors when
    they are first looked at; by an index (`lists`) they are not. They are kept in `folder`, of
    which `some` reads those from one to another.
    """

    starts: npt.NDArray[np.int64]
    places: pa.Table
    load: Callable[[], Floats]
    lists: InvertedLists | None = None
    folder: Path | None = None
    some: Callable[[int, int], Floats] | None = None

    @classmethod
    def of(cls, vectors: Floats, places: pa.Table) -> Searchable:
        """Return it of rows that are in order of `clip_id`."""
        # As codes of a dictionary: a million strings compared one by one take a second.
        clips = places["clip_id"].combine_chunks().dictionary_encode().indices.to_numpy()
        changes = np.flatnonzero(np.diff(clips, prepend=-1)) if len(clips) else clips
        there = unit(vectors)
        return cls(changes.astype(np.int64), places, lambda: there)

    @cached_property
    def vectors(self) -> Floats:
        """All of them."""
        return self.load()

    def of_clip(self, clip_id: str) -> tuple[Floats, str] | None:
        """Return the vectors of a clip and its session; None if it has none."""
        # By their dictionary, a string a clip and not a window.
        ids = self.places["clip_id"].combine_chunks()
        ids = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
        number = pc.index(ids.dictionary, clip_id).as_py()
        if number < 0:
            return None
        group = int(np.flatnonzero(ids.indices.to_numpy()[self.starts] == number)[0])
        first, last = np.append(self.starts, len(self.places))[group : group + 2].tolist()
        vectors = self.vectors[first:last] if self.some is None else self.some(first, last)
        return vectors, str(self.places["session_id"][first])

    def allowed(
        self, among: Collection[str] | None, without: Collection[str] = ()
    ) -> npt.NDArray[np.bool_] | None:
        """Return which clips may be found: those `among`, if given, and none of `without`."""
        if among is None and not without:
            return None
        ids = self.places["clip_id"].take(self.starts).cast("string")
        there = np.ones(len(ids), bool)
        for names, wanted in ((among, True), (without, False)):
            if names is not None:
                hit = pc.is_in(ids, value_set=pa.array(sorted(names), "string"))
                there &= hit.to_numpy() == wanted
        return there

    def nearest(
        self,
        queries: Floats,
        count: int,
        allowed: npt.NDArray[np.bool_] | None = None,
        *,
        exact: bool = False,
    ) -> tuple[list[dict[str, Any]], str]:
        """Return the clips nearest to any of (Q, D) queries, best first, as hits, and how.

        A hit has clip_id, session_id, session (its name), camera_id (None where all cameras
        together were found), start_ns, end_ns and score, the cosine; found by words, who said them
        and the label. How is `approximate` where the index answered, else `exact`.
        """
        asked, found, how = unit(queries), None, "approximate"
        if self.lists is not None and not exact:
            try:
                found = groups_by_lists(self.lists, asked, self.starts, count, allowed)
            except DamagedError:
                found = None
        if found is None:
            how = "exact"
            scores = similarities(self.vectors, asked)
            found = nearest_groups(scores, self.starts, count, allowed)
        shown = [name for name in (*PLACE, *SAID) if name in self.places.column_names]
        rows = self.places.select(shown).take(found.vectors).to_pylist()
        # Rounded as people read it: sums of BLAS differ in their last bits from machine to machine.
        hits = [
            row | {"score": round(float(score), 4)}
            for row, score in zip(rows, found.scores, strict=True)
        ]
        return hits, how


PLACE = ["clip_id", "session_id", "session", "camera_id", "start_ns", "end_ns"]
# What stands beside a place that was found by words: `searchable_words.py`.
SAID = ["said", "label"]


def view_vectors(snapshot: Snapshot, view: str, settings: Settings) -> Searchable:
    """Return the global vectors of a view, a clip through a camera each.

    Raises:
        CatalogEmptyError: nothing says anything through this view in its version of now.
    """
    table = _features(snapshot, view, settings, data=False)
    return Searchable.of(_matrix(table), table.select(PLACE))


def poses(snapshot: Snapshot, joints: Sequence[int], settings: Settings) -> Searchable:
    """Return every pose, a person at a step each, as the places of some joints: see `pose_vector`.

    A person of whom one of those joints is not seen cannot be found.

    Raises:
        CatalogEmptyError: no skeleton is there.
    """
    table = _features(snapshot, "skeleton", settings, data=True)
    spec = view_named("skeleton").spec
    vectors, rows, at = [], [], []
    for number, row in enumerate(table.to_pylist()):
        feature = unpacked(spec, row)
        (people,) = feature.arrays  # (T, P, J, 4)
        some = people[:, :, list(joints)].astype(np.float32)
        seen = feature.mask[:, None] & (some[..., 3] > SURE).all(axis=2)
        steps, persons = seen.nonzero()
        vectors.append(pose_vectors(some[steps, persons, :, :2]))
        rows += [number] * len(steps)
        at += steps.tolist()
    if not rows:
        raise CatalogEmptyError(
            "Nobody with all of these joints is seen.", command="stillhouse extract"
        )
    places = table.select(PLACE).take(rows)
    starts = places["start_ns"].to_numpy() + np.array(at) * settings.grid_step_ns
    for name, found in (("start_ns", starts), ("end_ns", starts + settings.grid_step_ns)):
        places = places.set_column(PLACE.index(name), name, [found])
    return Searchable.of(np.concatenate(vectors), places)


def pose_vectors(places: Floats) -> Floats:
    """Joints' places (N, J, 2) -> (N, 2 J) about their middle.

    The cosine of two is how well one lies on the other once it is moved and enlarged at best: the
    share of its scatter that the other explains is the cosine squared.
    """
    about = places - places.mean(axis=1, keepdims=True)
    flat: Floats = about.reshape(len(about), 2 * places.shape[1])
    return flat


def _features(snapshot: Snapshot, view: str, settings: Settings, *, data: bool) -> pa.Table:
    spec = view_named(view).spec
    names = {"view": view, "version": view_versions((view,), settings)[view], "given": spec.given}
    table = named(snapshot, "search_features", names | {"with_data": data})
    if not len(table):
        raise CatalogEmptyError(
            f"No clip has a current feature of the view {view}.",
            command=f"stillhouse extract --views {view}",
        )
    return table


def _matrix(table: pa.Table) -> Floats:
    """Return a column of lists of equal length as one array, without a list a row."""
    lists = table["vector"].combine_chunks()
    return np.asarray(lists.flatten(), np.float32).reshape(len(lists), -1)
