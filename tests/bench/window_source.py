"""Where benches of the distiller read windows from: a home that is there, or one made of a corpus.

Reads a catalog; `made_home` ingests and extracts what real footage is here.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.query import run
from catalog.store import Catalog
from infra import assets
from infra.errors import StillhouseError
from infra.settings import load_settings
from tasks.sample import SAMPLE_ASSETS
from tasks.views.current import view_versions
from tasks.window_sets import WindowSource

if TYPE_CHECKING:
    from infra.settings import Settings

DONE = (0, 3)  # all, or all but what went to quarantine
DATA = Path(__file__).parents[2].parent / "shared" / "data"


def window_source(settings: Settings) -> WindowSource:
    """Return the windows of a home as it is now."""
    snapshot = Catalog(settings.catalog).snapshot()
    named = run(snapshot, "select session_id, name from current_sessions").to_pylist()
    return WindowSource(
        snapshot,
        view_versions((), settings),
        settings.grid_step_ns,
        {row["session_id"]: row["name"] for row in named},
    )


def made_home(home: str) -> str:
    """Ingest and extract the real footage that is here into a home; what is there stays.

    Says in a sentence what is absent.
    """
    settings = load_settings(home)
    settings.prepare_process()
    archives = []
    for name in ("multicamera", "single"):
        if (DATA / name).is_dir():
            archives.append(str(DATA / name))
        else:
            print(f"{DATA / name} is not here: its rigs and clips are skipped")
    settings.prepare_home()
    try:
        assets.fetch(SAMPLE_ASSETS, settings.assets)
        archives.append(str(settings.assets / "sample"))
    except StillhouseError as error:
        print(f"the sample footage cannot be fetched, pose2sim is skipped: {error}")
    if not archives:
        raise SystemExit("there is no real footage here to climb the ladder on")
    # As users do, in processes that end: none is left beside what is measured.
    for words in (*(["ingest", archive] for archive in archives), ["extract"]):
        command = [str(Path(sys.executable).parent / "stillhouse"), "--home", home, *words]
        done = subprocess.run(command, check=False).returncode
        if done not in DONE:
            raise SystemExit(f"{' '.join(command)} ended with {done}")
    return home
