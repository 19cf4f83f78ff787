"""Where benches of the distiller read windows from: a home that is there, or one made of a corpus.

Reads a catalog; `made_home` ingests and extracts what real footage is here.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ladder import Sessions

from catalog.query import run
from catalog.store import Catalog
from infra import assets
from infra.errors import StillhouseError
from infra.settings import load_settings
from tasks.sample import SAMPLE_ASSETS
from tasks.sessions.splits import HELDOUT, TRAIN
from tasks.views.current import view_versions
from tasks.windows.reader import WindowSpec
from tasks.windows.sets import WindowSource, judged_windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ladder import Fold

    from catalog.snapshot import Snapshot
    from infra.settings import Settings
    from tasks.windows.sets import Window

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


def sessions_of(snapshot: Snapshot) -> list[Sessions]:
    """Return the current sessions as folds need them."""
    found = run(
        snapshot,
        "select session_id, name, group_id, len(cameras) as cameras from current_sessions "
        "order by name",
    )
    return [Sessions(**row) for row in found.to_pylist()]


def fold_windows(
    source: WindowSource,
    sessions: Sequence[Sessions],
    fold: Fold,
    steps: int,
    per_session: int,
) -> tuple[list[Window], list[Window], list[Window]]:
    """Return the windows that baselines are fitted on, of the held-out rig, and of later times.

    The first are few, above all of rigs: they are fitted anew for each rung, at a cost of their
    number cubed. All methods have the same, as what is foreground is told by them too.
    """
    spec = WindowSpec(steps=steps, stride=steps)
    rigs = frozenset(s.session_id for s in sessions if s.cameras > 1)
    several, single, known, new = (
        dataclasses.replace(source, sessions=some)
        for some in (fold.train & rigs, fold.train - rigs, fold.train, fold.heldout)
    )
    fit = judged_windows(several, spec, TRAIN, per_session=per_session, part="earlier")
    fit += judged_windows(single, spec, TRAIN, per_session=1, part="earlier")
    return (
        fit,
        judged_windows(new, spec, HELDOUT, per_session=per_session),
        judged_windows(known, spec, TRAIN, per_session=per_session, part="later"),
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
