"""The list of views. A new view is one file beside this one and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.errors import UnknownViewError
from tasks.views.appearance import AppearanceKind
from tasks.views.audio import AudioKind
from tasks.views.flow import FlowKind
from tasks.views.silhouette import SilhouetteKind
from tasks.views.skeleton import SkeletonKind
from tasks.views.skeleton3d import Skeleton3dKind
from tasks.views.text import TextKind
from tasks.views.thumbnail import ThumbnailKind
from tasks.views.tracks import TracksKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tasks.views.rig import RigKind
    from tasks.views.view import ViewKind, ViewSpec

# Computed by decoding a clip of one camera.
VIEWS: dict[str, ViewKind] = {
    "thumbnail": ThumbnailKind(),
    "appearance": AppearanceKind(),
    "flow": FlowKind(),
    "audio": AudioKind(),
    "text": TextKind(),
    "skeleton": SkeletonKind(),
    "silhouette": SilhouetteKind(),
    "tracks": TracksKind(),
}
# Computed from the features of all cameras of a calibrated session.
RIG_VIEWS: dict[str, RigKind] = {
    "skeleton3d": Skeleton3dKind(),
}


def view_named(name: str) -> ViewKind | RigKind:
    """Return the view of a name.

    Raises:
        UnknownViewError: naming the views there are.
    """
    if name in VIEWS:
        return VIEWS[name]
    if name in RIG_VIEWS:
        return RIG_VIEWS[name]
    known = [*VIEWS, *RIG_VIEWS]
    raise UnknownViewError(
        f"There is no view {name!r}; there are {', '.join(known)}.",
        command=f"stillhouse extract --views {','.join(known)}",
    )


def named_views(names: Sequence[str]) -> dict[str, ViewKind | RigKind]:
    """Return the views of these names; none named means all.

    Raises:
        UnknownViewError: naming the views there are.
    """
    return {name: view_named(name) for name in names or (*VIEWS, *RIG_VIEWS)}


def specs(names: Iterable[str]) -> list[ViewSpec]:
    """Return what the views of these names are, in the same order."""
    return [view_named(name).spec for name in names]
