"""What the views of people share: the picture they want, their parameters, one search a clip.

Writes nothing. `skeleton`, `silhouette` and `tracks` of a clip are computed from one search.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tasks.decode import Scale
from tasks.pose.networks import ASSET, PRECISION, networks
from tasks.pose.people import PACE, find_people

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.pose.networks import Networks
    from tasks.pose.people import ClipPeople
    from tasks.views.view import DecodedClip

SIDE = 320
# 448 px costs .4 ms a frame more to scale and gains half a pixel of 1920 in triangulated joints;
# 256 px loses two.
RGB320 = Scale("rgb320", SIDE, SIDE, "rgb24")
# Milliseconds of one step with one person: what a clip's search costs (decision 0013).
SEARCH_MS = 4.0
PARAMETERS: dict[str, int | float | str] = {
    "pose_side": SIDE,
    "pose_precision": PRECISION,
    **{f"pose_{name}": value for name, value in asdict(PACE).items()},
}


def require_networks(assets: Path) -> None:
    """Refuse to go on without the networks.

    Raises:
        AssetMissingError: with the command that brings them.
        AssetCorruptError: they are not what was fetched.
    """
    from infra.assets import member_path

    for member in ("pose_detection.tflite", "pose_landmark_full.tflite"):
        member_path(assets, ASSET, member)


def loaded_networks(assets: Path, threads: int) -> Networks:
    """Return the networks, compiled once a process."""
    return networks(assets / ASSET, threads)


def people_of(clip: DecodedClip, eyes: Networks) -> ClipPeople:
    """Return who is in a clip; searched for at the first call."""
    return clip.once(
        "pose", lambda: find_people(clip.images[RGB320.name], clip.present, clip.size, eyes)
    )
