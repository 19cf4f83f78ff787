"""Training the distiller: it learns, resumes to the same losses, shares work, stops in time."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from catalog.store import Catalog
from infra.errors import NothingToLearnError, TrainingDivergedError
from tasks.distiller.presets import PRESETS, DistillerPreset
from tasks.distiller.train import TrainedDistiller, train_distiller
from tasks.sessions.splits import TRAIN
from tasks.views.current import view_versions
from tasks.windows.sets import WindowSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Road

    from tasks.training.schedule import Progress

SHORT = dataclasses.replace(
    PRESETS["ci"], steps=6, batch=4, cameras=3, report_every=1, checkpoint_every_s=0.0
)


@pytest.fixture(scope="module")
def source(road: Road) -> WindowSource:
    """Return the windows of the generated archive."""
    settings = road.settings
    snapshot = Catalog(settings.catalog).snapshot()
    return WindowSource(snapshot, view_versions((), settings), settings.grid_step_ns, {})


def ended(found: Iterator[Progress | TrainedDistiller]) -> TrainedDistiller:
    """Return what training ends with."""
    *_, last = found
    assert isinstance(last, TrainedDistiller)
    return last


@pytest.fixture(scope="module")
def whole(source: WindowSource) -> TrainedDistiller:
    """Return a model trained in one go."""
    return ended(train_distiller(source, TRAIN, SHORT))


def test_a_killed_run_resumes_to_the_very_same_model(
    source: WindowSource, whole: TrainedDistiller, tmp_path: Path
) -> None:
    """`kill -9` in the middle: losses and weights are those of a run that was let alone."""
    script = tmp_path / "train.py"
    script.write_text(
        "import dataclasses, json, sys\n"
        "from pathlib import Path\n"
        "from catalog.snapshot import Snapshot\n"
        "from tasks.distiller.presets import DistillerPreset\n"
        "from tasks.distiller.train import train_distiller\n"
        "from tasks.windows.sets import WindowSource\n"
        "given = json.loads(sys.argv[1])\n"
        "source = WindowSource(Snapshot.from_json(given['snapshot']), given['versions'],"
        " given['step_ns'], {})\n"
        "preset = DistillerPreset(**given['preset'])\n"
        "for found in train_distiller(source, 'train', preset, folder=Path(given['folder']),"
        " key='k'):\n"
        "    print(found.step, flush=True)\n"
    )
    given = {
        "snapshot": source.snapshot.to_json(),
        "versions": dict(source.versions),
        "step_ns": source.step_ns,
        "preset": dataclasses.asdict(SHORT),
        "folder": str(tmp_path / "run"),
    }
    command = [sys.executable, str(script), json.dumps(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 3:
                os.kill(child.pid, signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL
    steps = []
    for found in train_distiller(source, TRAIN, SHORT, folder=tmp_path / "run", key="k"):
        if isinstance(found, TrainedDistiller):
            again = found
        else:
            steps.append(found.step)
    assert 3 <= steps[0] <= SHORT.steps
    assert again.curves == whole.curves
    assert all(torch.equal(x, whole.state[name]) for name, x in again.state.items())


def test_a_checkpoint_of_another_run_is_passed_over(source: WindowSource, tmp_path: Path) -> None:
    """Another key is another run, and a damaged file is none: training begins at the beginning."""
    brief = dataclasses.replace(SHORT, steps=2)
    first = ended(train_distiller(source, TRAIN, brief, folder=tmp_path, key="one"))
    other = ended(train_distiller(source, TRAIN, brief, folder=tmp_path, key="other"))
    assert first.curves == other.curves
    (tmp_path / "checkpoint-0.safetensors").write_bytes(b"damaged")
    assert ended(train_distiller(source, TRAIN, brief, folder=tmp_path, key="other")).curves == (
        first.curves
    )


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(
    source: WindowSource, tmp_path: Path
) -> None:
    """A typed error names the step; what was good before is still there."""
    wild = dataclasses.replace(SHORT, learning_rate=1e30, warmup_share=0.0, clip_norm=1e30)
    with pytest.raises(TrainingDivergedError, match=r"step \d of 6"):
        ended(train_distiller(source, TRAIN, wild, folder=tmp_path, key="k"))
    assert (tmp_path / "checkpoint-0.safetensors").exists()


def test_nothing_to_learn_from_is_said(source: WindowSource) -> None:
    """Without features training stops with the command that computes them."""
    none = dataclasses.replace(source, versions=dict.fromkeys(source.versions, "of no kind"))
    with pytest.raises(NothingToLearnError) as caught:
        ended(train_distiller(none, TRAIN, SHORT))
    assert caught.value.command == "stillhouse extract"


def test_the_loss_falls_and_the_model_answers(source: WindowSource) -> None:
    """Some dozens of steps lower the loss, and the averaged weights make codes and bytes."""
    preset = dataclasses.replace(SHORT, steps=40, checkpoint_every_s=60.0)
    found = ended(train_distiller(source, TRAIN, preset, threads=1))
    losses = found.curves["kept"]
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:5])
    assert set(found.curves) >= {"kept", "cross_view", "contrast", "rate", "prediction", "total"}
    model = found.model()
    windows = next(iter(_windows(source, preset)))
    with torch.inference_mode():
        code = model.encode(windows)
    assert model.codec.from_bytes(model.codec.to_bytes(code.symbols)).key.equal(code.symbols.key)


def _windows(source: WindowSource, preset: DistillerPreset) -> Iterator[dict[str, torch.Tensor]]:
    from tasks.distiller.train import spec_of
    from tasks.windows.sets import as_torch

    for batch in source.reader(spec_of(preset), TRAIN, batch=2).read():
        yield as_torch(batch.tensors)


@pytest.mark.usefixtures("ray_local")
@pytest.mark.long
def test_two_workers_learn_what_one_does(source: WindowSource, tmp_path: Path) -> None:
    """Ray Train with two workers ends with a loss within 5 % of one worker's, on other batches."""
    from tasks.distiller.parallel import train_in_parallel

    preset = dataclasses.replace(SHORT, steps=24, checkpoint_every_s=60.0)
    one = ended(train_distiller(source, TRAIN, preset))
    two = dataclasses.replace(preset, workers=2)
    shared = ended(
        train_in_parallel(source, TRAIN, two, threads=2, folder=tmp_path / "two", key="k")
    )
    assert len(shared.curves["total"]) == preset.steps
    ours, theirs = (np.mean(x.curves["kept"][-8:]) for x in (shared, one))
    assert ours == pytest.approx(theirs, rel=0.05)
