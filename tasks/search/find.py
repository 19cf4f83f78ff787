"""Search: the clips nearest to a clip, a picture, a sentence or a pose.

Reads the catalog, the registry and, for pictures and sentences, the networks of their views;
writes only what `kept_codes.py` keeps.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from catalog.query import rows
from catalog.store import Catalog
from catalog.usersql import selection
from infra.errors import UsageError
from tasks.distiller.presets import MODEL_NAME
from tasks.pose.names import NAMES
from tasks.recordings.words import Words
from tasks.search.kept_codes import kept_codes
from tasks.search.searchable import pose_vectors, poses, view_vectors
from tasks.search.searchable_words import worded
from tasks.views.catalogue import VIEWS
from tasks.views.pictures import RGB224
from tasks.views.view import DecodedClip

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from catalog.snapshot import Snapshot
    from infra.settings import Settings
    from tasks.search.searchable import Searchable

# A picture or a sketch that is asked with: as files come from cameras and editors.
MOST_BYTES, MOST_PIXELS = 64 << 20, 100_000_000


def search(
    settings: Settings,
    *,
    clip: str | None = None,
    picture: Path | None = None,
    text: str | None = None,
    pose: Path | None = None,
    where: str | None = None,
    model: str = MODEL_NAME,
    elsewhere: bool = False,
    exact: bool = False,
    count: int = 10,
) -> dict[str, Any]:
    """Return the hits, best first, of how many clips, and by what: `exact` or `approximate`.

    One of `clip` (a clip_id, by its codes), `picture` (by what the view *appearance* says), `text`
    (by the view *text*, label files and the actions that were told of clips) and `pose` (a JSON
    file of joints, by *skeleton*). `where` is SQL that gives the
    `clip_id` of those that may be found; `elsewhere` leaves the clip's own session out. Of very
    many codes an index answers, if reindex made one, unless the answer is to be `exact`.

    Raises:
        UsageError: not one of the four, or the file is none of its kind.
        CatalogEmptyError: there is nothing to search.
        AssetMissingError: the network that reads the question is not here.
        SelectionInvalidError, SelectionEmptyError: what `where` says.
    """
    if sum(x is not None for x in (clip, picture, text, pose)) != 1:
        raise UsageError(
            "Search by one of --clip, --picture, --text and --pose.",
            command='stillhouse search --text "people walking"',
        )
    if text is not None and not text.strip():
        raise UsageError("The text is empty.", command='stillhouse search --text "a car at night"')
    snapshot = Catalog(settings.catalog).snapshot()
    among = None
    if where is not None:
        among = {choice.clip_id for choice in selection(snapshot, where)}
    without: Collection[str] = ()
    if clip is not None:
        found = kept_codes(snapshot, model, settings)
        queries, without = _of_clip(snapshot, found, clip, model, elsewhere=elsewhere)
    elif picture is not None:
        found, queries = view_vectors(snapshot, "appearance", settings), _seen(picture, settings)
    elif text is not None:
        found = worded(snapshot, settings, lambda labels: sentence_vectors(labels, settings))
        queries = sentence_vectors([text], settings)
    elif pose is not None:
        joints, place = read_pose(pose)
        found, queries = poses(snapshot, joints, settings), pose_vectors(place[None])
    allowed = found.allowed(among, without)
    hits, by = found.nearest(queries, count, allowed, exact=exact)
    return {"hits": hits, "searched": len(found.starts), "by": by}


def _of_clip(
    snapshot: Snapshot, found: Searchable, clip_id: str, model: str, *, elsewhere: bool
) -> tuple[npt.NDArray[np.float32], set[str]]:
    """Return the codes of a clip's windows, and the clips that may not be found."""
    mine = found.of_clip(clip_id)
    if mine is None:
        if not rows(snapshot, "clip_cameras", {"clip_id": clip_id}):
            raise UsageError(f"There is no clip {clip_id!r} now.", command="stillhouse show clips")
        raise UsageError(f"{clip_id} has no code of {model} yet.", command="stillhouse reindex")
    vectors, session_id = mine
    without = {clip_id}
    if elsewhere:
        session = {"session_id": session_id}
        without |= {row["clip_id"] for row in rows(snapshot, "session_clips", session)}
    return vectors, without


def _seen(file: Path, settings: Settings) -> npt.NDArray[np.float32]:
    """Return what *appearance* says of a picture: (1, 1280)."""
    image = _picture(file)
    small = cv2.resize(image, (RGB224.width, RGB224.height), interpolation=cv2.INTER_AREA)
    clip = DecodedClip(
        np.zeros(1, np.int64), np.ones(1, bool), {RGB224.name: small[None, ..., ::-1].copy()}
    )
    return _vectors("appearance", [clip], settings)


def sentence_vectors(texts: Sequence[str], settings: Settings) -> npt.NDArray[np.float32]:
    """Return what *text* says of sentences: (N, 384)."""
    shown = np.zeros(1, np.int64), np.ones(1, bool)
    clips = [DecodedClip(*shown, {}, words=Words(labels=(text,))) for text in texts]
    return _vectors("text", clips, settings)


def _vectors(
    name: str, clips: Sequence[DecodedClip], settings: Settings
) -> npt.NDArray[np.float32]:
    """Load a view by itself and return its vectors of what it can say something of."""
    from infra.errors import AssetMissingError
    from tasks.views.current import missing_assets

    lacking = missing_assets((name,), settings.assets)
    if lacking:
        raise AssetMissingError(
            f"The view {name} needs weights that are not here.", command=lacking[name]
        )
    kind = VIEWS[name]
    kind.prepare(settings.assets, {})
    view = kind.load(settings.assets, 1, {})
    found = [view.compute(clip).vector for clip in clips]
    said = [vector for vector in found if vector is not None]
    if len(said) < len(clips):  # pragma: no cover  the view's contract
        raise RuntimeError(f"{name} has no vector of what is there")
    return np.stack(said)


def _picture(file: Path) -> npt.NDArray[np.uint8]:
    """Read a picture (H, W, 3), blue first."""
    data = _bytes(file)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape[0] * image.shape[1] > MOST_PIXELS:
        raise UsageError(
            f"{file} is no picture that can be read.",
            command="stillhouse search --picture FILE.jpg",
        )
    return np.asarray(image, np.uint8)


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise UsageError(f"{file} has more than {MOST_BYTES >> 20} MiB.")
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error


def read_pose(file: Path) -> tuple[list[int], npt.NDArray[np.float32]]:
    """Return the joints that a sketch names, and where they are (J, 2): x to the right, y down.

    The file is a JSON object, `{"left_wrist": [0.2, 0.5], ...}`, of three joints at least; in which
    unit does not matter.

    Raises:
        UsageError: it is not that.
    """
    example = (
        '{"left_shoulder": [0.6, 0.3], "right_shoulder": [0.4, 0.3], "left_wrist": [0.7, 0.1]}'
    )
    try:
        said = dict(json.loads(_bytes(file)))
        unknown = sorted(set(said) - set(NAMES))
        joints = [NAMES.index(name) for name in said if name not in unknown]
        places = np.array(list(said.values()), np.float32)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{file} is no pose: {error}. A pose is {example}") from error
    if unknown:
        raise UsageError(
            f"{file}: there is no joint {unknown[0]!r}; joints are {', '.join(NAMES)}."
        )
    if len(joints) < 3 or places.shape != (len(joints), 2) or not np.isfinite(places).all():
        raise UsageError(f"{file} is no pose of three joints or more with [x, y] each: {example}")
    if np.ptp(places, axis=0).max() <= 0:
        raise UsageError(f"{file}: all joints are in one place.")
    return joints, places
