"""What goes wrong between cameras: one runs late, or some are not there.

Pure: which camera, and how many. `damaged_windows.py` does it to windows.
"""

from __future__ import annotations

import math

from tasks.damage.footage import Footage

STRONGEST = 5


def order_of(session: str, cameras: tuple[str, ...], purpose: str) -> list[int]:
    """Return the cameras of a session in an order drawn by their names: who is hit first."""
    drawn = [Footage(session, camera, ()).of_camera(purpose).random() for camera in cameras]
    return sorted(range(len(cameras)), key=drawn.__getitem__)


def dropped_cameras(cameras: int, level: float) -> int:
    """Return how many of V cameras go: 1 at the least level, all but one at the strongest."""
    return min(cameras - 1, max(1, math.ceil(level * (cameras - 1) / STRONGEST)))
