"""What can be found by words: what goes with a clip, what users call it, what was told of it.

Reads the catalog; writes nothing. `search.py` asks. Labels of files and of the model of actions
are no part of the view *text*, from which codes are made: here they stand beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catalog.query import named
from infra.errors import CatalogEmptyError
from tasks.recordings.words import Words
from tasks.search.searchable import PLACE, Searchable, view_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from catalog.snapshot import Snapshot
    from infra.settings import Settings

    Floats = npt.NDArray[np.float32]

# By whom it is said: `words` are subtitles, manifests and containers, as the view *text* has them.
WORDS = "words"


def worded(
    snapshot: Snapshot, settings: Settings, read: Callable[[Sequence[str]], Floats]
) -> Searchable:
    """Return what is said of each clip as sentence vectors; `read` makes those of labels, (N, 384).

    A label is read once, however many clips have it. Beside its place each has `said` (words, label
    or predicted) and `label` (None for words).

    Raises:
        CatalogEmptyError: nothing is said of any clip.
    """
    vectors, places = _of_labels(named(snapshot, "search_labels"), read)
    try:
        words = view_vectors(snapshot, "text", settings)
    except CatalogEmptyError:
        if not len(places):
            raise
        return Searchable.of(vectors, places)
    others = words.places.append_column("said", pa.array([WORDS] * len(words.places)))
    others = others.append_column("label", pa.nulls(len(others), pa.string()))
    if not len(places):
        return Searchable.of(words.vectors, others)
    joined = pa.concat_tables([others, places.cast(others.schema)])
    # A search expects what is said of one clip to stand together.
    order = np.argsort(joined["clip_id"].to_numpy(), kind="stable")
    return Searchable.of(np.concatenate([words.vectors, vectors])[order], joined.take(order))


def _of_labels(table: pa.Table, read: Callable[[Sequence[str]], Floats]) -> tuple[Floats, pa.Table]:
    """Return the vectors and places of labels that say anything."""
    coded = table["label"].combine_chunks().dictionary_encode()
    names = coded.dictionary.to_pylist()
    spoken = [number for number, name in enumerate(names) if Words(labels=(name,)).text]
    known = np.zeros((len(names), 0), np.float32)
    if spoken:
        vectors = read([names[number] for number in spoken])
        known = np.zeros((len(names), vectors.shape[1]), np.float32)
        known[spoken] = vectors
    which = coded.indices.to_numpy()
    there = np.isin(which, spoken)
    return known[which[there]], table.filter(pa.array(there)).select([*PLACE, "said", "label"])
