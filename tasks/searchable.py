"""What can be searched: vectors of current clips, by code, by what a view says, or by pose.

Reads the catalog; writes nothing. `search.py` asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.query import named
from infra.errors import CatalogEmptyError
from models.nearest_groups import nearest_groups, similarities, unit
from tasks.views.catalogue import view_named
from tasks.views.current import view_versions
from tasks.views.packing import unpacked

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from catalog.snapshot import Snapshot
    from infra.settings import Settings

    Floats = npt.NDArray[np.float32]

# A joint that is surer than this is there.
SURE = 0.5


@dataclass(frozen=True)
class Searchable:
    """Vectors (N, D) of length 1, and to each where it is: `places` has a row a vector.

    Vectors of one clip stand together; clip g begins at `starts[g]`.
    """

    vectors: Floats
    starts: npt.NDArray[np.int64]
    places: pa.Table

    @classmethod
    def of(cls, vectors: Floats, places: pa.Table) -> Searchable:
        """Return it of rows that are in order of `clip_id`."""
        # As codes of a dictionary: a million strings compared one by one take a second.
        clips = places["clip_id"].combine_chunks().dictionary_encode().indices.to_numpy()
        changes = np.flatnonzero(np.diff(clips, prepend=-1)) if len(clips) else clips
        return cls(unit(vectors), changes.astype(np.int64), places)

    def allowed(
        self, among: Collection[str] | None, without: Collection[str] = ()
    ) -> npt.NDArray[np.bool_] | None:
        """Return which clips may be found: those `among`, if given, and none of `without`."""
        if among is None and not without:
            return None
        ids = self.places["clip_id"].take(self.starts).to_pylist()
        return np.array([(among is None or x in among) and x not in without for x in ids], bool)

    def nearest(
        self, queries: Floats, count: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> list[dict[str, Any]]:
        """Return the clips nearest to any of (Q, D) queries, best first, as hits.

        A hit has clip_id, session_id, session (its name), camera_id (None where all cameras
        together were found), start_ns, end_ns and score, the cosine.
        """
        scores = similarities(self.vectors, unit(queries))
        found = nearest_groups(scores, self.starts, count, allowed)
        rows = self.places.select(PLACE).take(found.vectors).to_pylist()
        # Rounded as people read it: sums of BLAS differ in their last bits from machine to machine.
        return [
            row | {"score": round(float(score), 4)}
            for row, score in zip(rows, found.scores, strict=True)
        ]


PLACE = ["clip_id", "session_id", "session", "camera_id", "start_ns", "end_ns"]


def codes(snapshot: Snapshot, model: str) -> Searchable:
    """Return the current codes of a model, every window of every clip.

    Raises:
        CatalogEmptyError: no clip has a code.
    """
    table = named(snapshot, "search_codes", {"model": model})
    if not len(table):
        raise CatalogEmptyError(f"No clip has a code of {model} yet.", command="stillhouse reindex")
    return Searchable.of(_matrix(table), table.select(PLACE))


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
