"""Catalogs whose clips have codes that a test chose, and more clips to add to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from small_catalog import camera, clip, filled, member_of, sighting

from catalog.query import named
from catalog.schemas.registry import TABLES
from catalog.store import Catalog
from infra.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000
DIMS = 16
RANDOM = np.random.default_rng(0)


def codes_of(session: str, clips: int) -> dict[str, np.ndarray]:
    """Draw codes of a session's clips, (3, DIMS) each."""
    return {f"{session}-{k:04}": RANDOM.standard_normal((3, DIMS)) for k in range(clips)}


def two_sessions(home: Path) -> Settings:
    """Return the settings of a new home: sessions `one` and `two` of 20 clips with drawn codes."""
    made = Settings(home=home, cpus=1)
    add_sessions(made, {"one": 20, "two": 20})
    add_codes(made, codes_of("one", 20) | codes_of("two", 20))
    return made


def add_sessions(settings: Settings, sessions: dict[str, int]) -> None:
    """Commit sessions of one camera with so many clips each: `<session>-<number>`, 2 s long."""
    catalog = Catalog(settings.catalog)
    for name, count in sessions.items():
        which = {"recording_id": name, "member": f"{name}.mp4"}
        recording = filled(TABLES["recordings"], **which, duration_ns=2 * SECOND * count)
        catalog.commit(TABLES["recordings"], [recording])
    catalog.commit(
        TABLES["sessions"],
        [
            filled(TABLES["sessions"], session_id=name, name=name, cameras=[camera("cam", name, 0)])
            for name in sessions
        ],
    )
    clips = []
    for name, count in sessions.items():
        for k in range(count):
            row = clip(f"{name}-{k:04}", name, 2 * SECOND * k, "cam")
            clips.append(row | {"end_ns": 2 * SECOND * (k + 1)})
    catalog.commit(TABLES["clips"], clips)
    catalog.commit(
        TABLES["files"], [sighting(f"{name}.mp4", **member_of(name, name)) for name in sessions]
    )


def add_codes(settings: Settings, codes: dict[str, np.ndarray], version: str = "v") -> None:
    """Commit codes of clips, (W, D) each, and let their version serve."""
    catalog = Catalog(settings.catalog)
    rows = []
    for given in named(catalog.snapshot(), "clip_givens").to_pylist():
        for k, vector in enumerate(codes.get(given["clip_id"], ())):
            start = given["start_ns"] + k * SECOND // 2
            rows.append(
                filled(
                    TABLES["codes"],
                    code_id=f"{given['clip_id']}/{k}/{version}",
                    clip_id=given["clip_id"],
                    session_id=given["session_id"],
                    model="distiller",
                    version=version,
                    given=given["given"],
                    seen=1,
                    start_ns=start,
                    end_ns=start + SECOND // 2,
                    embedding=np.asarray(vector, np.float32).tolist(),
                )
            )
    catalog.commit(TABLES["codes"], rows)
    chosen = len(catalog.snapshot().files(TABLES["code_versions"])) + 1
    row = filled(TABLES["code_versions"], model="distiller", version=version, chosen_ns=chosen)
    catalog.commit(TABLES["code_versions"], [row])
