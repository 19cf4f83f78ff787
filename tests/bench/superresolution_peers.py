"""Super-resolution and its peers, trained for equal CPU time on the same windows.

Reads a home's training clips; keeps the networks in a folder, where a later run finds them.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from catalog.ids import digest
from models import weights
from models.espcn import Espcn, EspcnConfig
from models.fsrcnn import Fsrcnn, FsrcnnConfig
from models.superresolution import SuperResolution, SuperResolutionConfig
from tasks.superresolution.presets import preset_named, variant
from tasks.superresolution.train import train_superresolution
from tasks.training.schedule import finished
from tasks.windows.pixel_windows import training_windows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from tasks.judging.heldout import Sized
    from tasks.superresolution.presets import TrainPreset
    from tasks.superresolution.train import Network

OURS, MULTI = "ours", "multi-source"
WARM, TIMED = 4, 16  # steps before, and while, the cost of one is measured


def networks(
    train: Sequence[Sized], scale: Literal[2, 4], seconds: float, folder: Path
) -> dict[str, Network]:
    """Return each network after so many CPU seconds of training, by name."""
    preset = variant(preset_named("laptop"), scale)
    windows = None
    found: dict[str, Network] = {}
    # Networks of another home's clips may have seen what is held out here.
    clips = digest("peers", *sorted(f"{one.clip_id}/{one.camera_id}" for one, _, _ in train))[:12]
    for name, model in peers(scale).items():
        place = folder / clips / f"{name}-x{scale}-{seconds:g}s"
        if place.is_dir():
            found[name] = weights.load(place)  # type: ignore[assignment]  # what was saved there
            continue
        if windows is None:
            windows = training_windows(
                train, preset.windows, preset.steps_per_window, preset.crop, preset.seed
            )
        asked = replace(preset, reference=name == MULTI)
        probe = replace(asked, steps=WARM + TIMED, report_every=WARM)
        step = _cost(windows, probe, model)
        asked = replace(asked, steps=max(WARM, round(seconds / step)))
        started = time.process_time()
        trained = finished(train_superresolution(windows, asked, model=model))
        spent = time.process_time() - started
        found[name] = trained.model()
        count = sum(p.numel() for p in found[name].parameters())
        last = sum(trained.losses[-50:]) / len(trained.losses[-50:])
        print(
            f"  x{scale} {name:14} {count:7,} parameters {asked.steps:6} steps of "
            f"{1e3 * step:5.1f} ms, {spent:5.0f} CPU s, loss {trained.losses[0]:.4f} -> {last:.4f}",
            flush=True,
        )
        weights.save(place, found[name])
    return found


def peers(scale: Literal[2, 4]) -> dict[str, Network]:
    """Return every network, untrained."""
    return {
        OURS: SuperResolution(SuperResolutionConfig(scale)),
        "espcn": Espcn(EspcnConfig(scale)),
        "fsrcnn": Fsrcnn(FsrcnnConfig(scale)),
        MULTI: SuperResolution(SuperResolutionConfig(scale, reference=True)),
    }


def _cost(windows: npt.NDArray[np.uint8], preset: TrainPreset, model: Network) -> float:
    """CPU seconds a step."""
    started = 0.0
    for found in train_superresolution(windows, preset, model=model):
        if found.step == WARM:
            started = time.process_time()
    return (time.process_time() - started) / TIMED
