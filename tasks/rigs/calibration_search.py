"""Finds the calibration file that lies beside a session's recordings in a folder.

Reads the folders from the recordings' up to the archive's, and calibration files in them; writes
nothing. In tars, zips and object stores none is looked for.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import CalibrationInvalidError
from infra.observability import log_facts
from tasks.rigs.calibration import Calibration, read_calibration

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# What calibrations are called: Qualisys, caliscope and Pose2Sim, ours.
_NAMED = re.compile(r".*\.qca\.txt|camera_array\.toml|calib.*\.(toml|json)", re.IGNORECASE)
_FOLDERS = ("", "calibration")
# A folder with more entries than this is an archive of its own, not a rig's.
_MOST_ENTRIES = 2000


def calibration_beside(
    archive_uri: str, members: Collection[str], cameras: Collection[str]
) -> Calibration | None:
    """Return the nearest calibration that names at least two of the cameras, None without one.

    One that cannot be read is said in the log and passed over: clocks and clips do without.
    """
    root = Path(archive_uri)
    if not root.is_dir():
        return None
    for path in _candidates(root, min(members)):
        facts = path.stat()
        found = _read(str(path), facts.st_mtime_ns, facts.st_size)
        if found is not None and len(found.matched(cameras)) > 1:
            return found
    return None


def _candidates(root: Path, member: str) -> Iterator[Path]:
    folder = (root / member).parent
    while folder == root or root in folder.parents:
        for name in _FOLDERS:
            place = folder / name
            entries = sorted(place.iterdir()) if place.is_dir() else []
            if len(entries) <= _MOST_ENTRIES:
                yield from (e for e in entries if _NAMED.fullmatch(e.name) and e.is_file())
        folder = folder.parent


@lru_cache(maxsize=64)
def _read(path: str, mtime_ns: int, size: int) -> Calibration | None:  # noqa: ARG001  the key
    try:
        return read_calibration(Path(path))
    except (CalibrationInvalidError, OSError) as error:
        log_facts("calibration_not_read", path=path, why=str(error))
        return None
