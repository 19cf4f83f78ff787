"""Application *retrieval*: the code of one camera finds the same moment through another.

Reads windows; writes nothing. Only what a camera saw itself is searched with (`camera_codes.py`),
only other recordings are searched (`gallery.py`); the baselines are in `retrieval_baselines.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.ranking import chance
from tasks.judging.gallery import Gallery
from tasks.judging.retrieval_baselines import Vectors, linear_peers, pixels, single_view
from tasks.judging.window_score import MODEL, WindowScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.precision import Precision
    from models.ranking import Retrieval
    from models.window_encoder import WindowEncoder
    from tasks.judging.window_score import Setting
    from tasks.windows.sets import Window

BASELINES = ("pixels", "pca", "mcca", "single_view")
# By lot: no baseline, but what a figure of a small gallery is read against.
CHANCE = "chance"


def retrieval_scores(
    model: WindowEncoder,
    fit: Sequence[Window],
    judged: Sequence[Window],
    setting: Setting,
    precision: Precision,
) -> list[WindowScore]:
    """Score the model and every baseline on each camera of each judged window as a query.

    The gallery is every other recording of the judged windows, camera by camera. Measures are
    `r_at_1`, `r_at_5`, `r_at_10` and `map` (of a query its average precision). Windows through
    one camera are searched and ask nothing; a query without a right answer is not counted.

    Raises:
        ValueError: there are queries and no training window to fit the baselines on.
    """
    gallery = Gallery.of(judged)
    asks = gallery.asks
    if not (gallery.right & gallery.admitted)[asks].any():
        return []
    if not fit:
        raise ValueError("retrieval is judged beside baselines, which need training windows")
    code = gallery.codes(model, precision)
    grey = pixels(gallery.rows())
    methods = {MODEL: Vectors(code, code), "pixels": Vectors(grey, grey)}
    methods |= linear_peers(Gallery.of(fit), gallery, code.shape[1])
    methods["single_view"] = single_view(model, fit, gallery, precision)
    found = {name: gallery.search(*vectors) for name, vectors in methods.items()}
    found[CHANCE] = chance(gallery.right[asks], gallery.admitted[asks])
    return [
        score for name, one in found.items() for score in scores_of(gallery, name, one, setting)
    ]


def scores_of(
    gallery: Gallery, method: str, found: Retrieval, setting: Setting
) -> list[WindowScore]:
    """Return a row for each query of a gallery that has an answer."""
    scores = []
    for row, item in enumerate(np.flatnonzero(gallery.asks)):
        if not np.isfinite(found.precision[row]):
            continue
        window = gallery.windows[gallery.window[item]]
        scores.append(
            WindowScore.of(
                window,
                setting=setting,
                application="retrieval",
                method=method,
                camera_id=window.cameras[gallery.camera[item]],
                given=1,
                measures=found.of(row),
            )
        )
    return scores
