"""The versions that views have now, in this home: by their source, weights and the decoder here.

Reads the pinned digests of assets and the registry's champions; writes nothing. `version.py` says
what a version is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra import registry
from infra.assets import asset_named, asset_state, pinned_digest
from tasks.decode import decoder_build
from tasks.views.catalogue import named_views, view_named
from tasks.views.version import key_parts, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from infra.settings import Settings


def weights_of(name: str, settings: Settings) -> dict[str, str]:
    """Return the digests of all that a view is loaded with or computed from, by name.

    For a view of a rig these are the versions of its inputs; of a model it is the champion's, ""
    where none is promoted.
    """
    spec = view_named(name).spec
    found = {asset: pinned_digest(asset) for asset in spec.assets}
    if spec.model is not None:
        found[spec.model] = registry.champion_digest(settings, spec.model)
    return found | {view: version_of(current_parts(view, settings)) for view in spec.inputs}


def current_parts(name: str, settings: Settings) -> dict[str, str]:
    """Return what the current version of a view is made of, by name: what `explain` compares."""
    return key_parts(view_named(name), weights_of(name, settings), decoder_build())


def view_versions(names: Sequence[str], settings: Settings) -> dict[str, str]:
    """Return the current version of each named view (all of them if none is named)."""
    return {name: version_of(current_parts(name, settings)) for name in named_views(names)}


def missing_assets(names: Sequence[str], assets: Path) -> dict[str, str]:
    """Return the named views that cannot be computed here, with the command that mends it.

    A view whose inputs cannot be computed cannot either.
    """
    found = {}
    for name in names:
        spec = view_named(name).spec
        lacking = [asset for asset in spec.assets if asset_state(assets, asset) != "present"]
        if lacking:
            found[name] = asset_named(lacking[0]).command
        for command in missing_assets(spec.inputs, assets).values():
            found.setdefault(name, command)
    return found
