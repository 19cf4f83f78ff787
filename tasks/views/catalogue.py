"""The list of views. A new view is one file beside this one and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.errors import UnknownViewError
from tasks.views.appearance import AppearanceKind
from tasks.views.flow import FlowKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.views.view import ViewKind

VIEWS: dict[str, ViewKind] = {
    "appearance": AppearanceKind(),
    "flow": FlowKind(),
}


def named_views(names: Sequence[str]) -> dict[str, ViewKind]:
    """Return the views of these names; none named means all.

    Raises:
        UnknownViewError: naming the views there are.
    """
    for name in names:
        if name not in VIEWS:
            raise UnknownViewError(
                f"There is no view {name!r}; there are {', '.join(VIEWS)}.",
                command=f"stillhouse extract --views {','.join(VIEWS)}",
            )
    return {name: VIEWS[name] for name in names or VIEWS}
