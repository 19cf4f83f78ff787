"""Which labelled windows there are to learn from, in a catalog whose codes a test chose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from coded_catalog import add_codes, add_sessions

from infra.errors import NothingToLearnError, TooFewClassesError
from infra.settings import Settings
from tasks.actions.material import action_material
from tasks.actions.presets import PRESETS
from tasks.labels.file import BadRow, read_labels
from tasks.labels.labelling import commit_labels, plan_labels
from tasks.runs.record import FlowRun
from tasks.sample import sample_labels

if TYPE_CHECKING:
    from tasks.actions.material import ActionMaterial


def learned(folder: Path, *labels: str, coded: bool = True) -> ActionMaterial:
    """Label the sessions a, b, ... of two clips of one window each; return what is learned from."""
    settings = Settings(home=folder / "home")
    names = [chr(ord("a") + k) for k in range(len(labels))]
    add_sessions(settings, dict.fromkeys(names, 2))
    if coded:
        add_codes(settings, {f"{name}-{k:04}": np.eye(1, 4) for name in names for k in range(2)})
    lines = [f"{name},{label}" for name, label in zip(names, labels, strict=True) if label]
    (folder / "labels.csv").write_text("\n".join(["session,label", *lines]), "utf-8")
    run = FlowRun("label", settings)
    commit_labels.fn(plan_labels.fn(folder / "labels.csv", run), run)
    return action_material(run.catalog.snapshot(), PRESETS["ci"])


@pytest.mark.parametrize("labels", [("", ""), ("walk", "walk")])
def test_fewer_than_two_classes_are_refused(tmp_path: Path, labels: tuple[str, ...]) -> None:
    """No label, or one for all: the message names the command that mends it."""
    with pytest.raises(TooFewClassesError) as refused:
        learned(tmp_path, *labels)
    assert refused.value.command == "stillhouse label FILE"


def test_labels_without_codes_are_refused(tmp_path: Path) -> None:
    """Reindex comes first."""
    with pytest.raises(NothingToLearnError):
        learned(tmp_path, "walk", "run", coded=False)


def test_the_samples_labels_are_read_without_a_fault() -> None:
    """Every row of the file that comes with the package is usable; generated footage has none."""
    file = sample_labels(synthetic=False)
    assert file is not None
    found = read_labels(Path(file))
    assert found
    assert not any(isinstance(one, BadRow) for one in found)
    assert sample_labels(synthetic=True) is None
