"""What a model version is asked by itself: are its files those on record, does it answer alike?

Reads the registry, the catalog's held-out sessions and the version's files; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.query import rows
from infra import registry
from infra.errors import ModelInvalidError, ModelNotFoundError
from infra.model_files import fetched
from infra.past_runs import run_facts
from tasks.judging.general_gates import Provenance, disjoint_gate, provenance_gate, repeat_gate
from tasks.sessions.leaks import leaks
from tasks.sessions.splits import HELDOUT
from tasks.training.recipe import TRAINED_ON_FILE, Gate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from catalog.snapshot import Snapshot
    from infra.registry import ModelVersion
    from infra.settings import Settings
    from models.precision import Precision
    from tasks.judging.repeatability import Case
    from tasks.runs.record import FlowRun


def record_trials(version: ModelVersion, run: FlowRun) -> tuple[Gate, ...]:
    """Return the gates of provenance and of unseen sessions, from what is on record."""
    settings = run.settings
    facts = run_facts(settings, version.run_id)
    trained_on = _trained_on(settings, version)
    snapshot = run.catalog.snapshot()
    sessions = rows(snapshot, "session_splits")
    heldout = {
        row["session_id"]: row["group_id"]
        for row in sessions
        if row["split"] == HELDOUT and row["is_current"]
    }
    seen = _seen(snapshot, sessions, trained_on or ())
    fault = _files_fault(settings, version)
    return (
        provenance_gate(Provenance(version.digest, fault, facts.tags, facts.params, trained_on)),
        disjoint_gate(trained_on, heldout, seen),
    )


def _seen(
    snapshot: Snapshot,
    sessions: Sequence[Mapping[str, Any]],
    trained_on: Sequence[Mapping[str, str]],
) -> list[str]:
    """Return held-out sessions that share files or pictures with one that was trained on."""
    learned = {one["session_id"] for one in trained_on}
    if not learned:
        return []
    names = {row["name"] for row in sessions if row["session_id"] in learned}
    found = (leak for leak in leaks(snapshot).found if not names.isdisjoint(leak.train))
    shown = {name for leak in found for name in leak.heldout}
    return [
        row["session_id"] for row in sessions if row["split"] == HELDOUT and row["name"] in shown
    ]


def _trained_on(settings: Settings, version: ModelVersion) -> Sequence[Mapping[str, str]] | None:
    try:
        found: list[dict[str, str]] = registry.read_artifact_json(
            settings, version.run_id, TRAINED_ON_FILE
        )
    except ModelNotFoundError:
        return None
    return found


def _files_fault(settings: Settings, version: ModelVersion) -> str:
    """Return why the registry's files are not those of the version's digest, "" if they are."""
    from models import weights

    try:
        with fetched(settings, version) as folder:
            weights.load(folder, digest=version.digest)
    except ValueError as error:
        # The folder is gone by the time that anybody reads this.
        return str(error).replace(str(folder), version.uri)
    except ModelInvalidError as error:
        return str(error)
    return ""


def answer_trial(
    version: ModelVersion, settings: Settings, cases: Sequence[Case], precision: Precision = "fp32"
) -> Gate:
    """Return the gate of equal answers, on these inputs (see `repeatability`)."""
    from tasks.judging.repeatability import repeatability

    try:
        folder = registry.download(settings, version)
        return repeat_gate(repeatability(folder, cases, precision=precision))
    except ModelInvalidError as error:
        return Gate.of("same_answer", None, "at most", 0, said=str(error))


def served_trial(
    version: ModelVersion, settings: Settings, example: npt.NDArray[np.float32]
) -> Gate:
    """Return the gate of equal answers of a model of pictures, on noise of an example's shape."""
    import torch

    from tasks.judging.repeatability import INPUT

    noise = np.random.default_rng(0).random(example.shape, np.float32)
    return answer_trial(version, settings, [{INPUT: torch.from_numpy(noise)}])
