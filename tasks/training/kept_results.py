"""Trained models that are not in the registry yet: kept in home until MLflow has taken them.

Writes and reads `home/state/distill/KEY`, the folder of one plan: the model's two files, its
picture and `result.json`, which is written last. A server that goes away in mid-run costs no
training: the next distill of the same plan finds the result there, and `distill --resume` sends
all of them.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from infra.model_files import MODEL_FILES
from infra.storage import atomic_write_bytes, atomic_write_json, disk_errors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from infra.settings import Settings
    from tasks.training.recipe import DistillPlan

RESULT_FILE, PICTURE_FILE = "result.json", "samples.png"


@dataclass(frozen=True, slots=True)
class KeptResult:
    """A trained and judged model, and everything that its run and its version will say.

    `result` is what `Recipe.make` gave but for the picture, with `facts` and `usage` of the
    training process; `snapshot` are the catalog's tables and versions; `trained_on` has the
    session_id and group_id of each session that was learned from; `mlflow_run_id` is the run that
    was open while it was trained.
    """

    model: str
    key: str
    heldout_digest: str
    preset: str
    parameters: dict[str, str]
    snapshot: dict[str, int]
    trained_on: list[dict[str, str]]
    mlflow_run_id: str
    result: dict[str, Any]


def plan_folder(settings: Settings, key: str) -> Path:
    """Return where a plan keeps its checkpoints and its result."""
    return settings.state / "distill" / key


def plan_lock(settings: Settings, key: str) -> FileLock:
    """Return a lock to hold while a plan is trained and registered: two would share its folder."""
    folder = plan_folder(settings, key)
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{folder}.lock")


def keep(
    settings: Settings,
    plan: DistillPlan,
    result: dict[str, Any],
    snapshot: dict[str, int],
    trained_on: Sequence[dict[str, str]],
    mlflow_run_id: str,
) -> KeptResult:
    """Write down what training gave, beside the model's files.

    Raises:
        DiskFullError, HomeNotWritableError: see `infra.storage.disk_errors`.
    """
    import cv2

    folder = plan_folder(settings, plan.key)
    written, png = cv2.imencode(".png", result["picture"][..., ::-1])
    if not written:
        raise ValueError(f"a picture of shape {result['picture'].shape} cannot be written")
    atomic_write_bytes(folder / PICTURE_FILE, png.tobytes())
    kept = KeptResult(
        model=plan.model,
        key=plan.key,
        heldout_digest=plan.heldout_digest,
        preset=plan.preset.name,
        parameters={name: str(value) for name, value in plan.parameters.items()},
        snapshot=dict(snapshot),
        trained_on=list(trained_on),
        mlflow_run_id=mlflow_run_id,
        result={name: value for name, value in result.items() if name != "picture"},
    )
    atomic_write_json(folder / RESULT_FILE, asdict(kept))
    return kept


def kept_result(settings: Settings, key: str) -> KeptResult | None:
    """Return what is kept of a plan, None if nothing is, or nothing that can be used."""
    folder = plan_folder(settings, key)
    try:
        found = KeptResult(**json.loads((folder / RESULT_FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        # Not there, or written by another version of this code.
        return None
    whole = all((folder / name).is_file() for name in (PICTURE_FILE, *MODEL_FILES))
    return found if whole and found.key == key else None


def kept_results(settings: Settings) -> list[KeptResult]:
    """Return everything that is kept, in the order of its keys."""
    files = sorted(plan_folder(settings, "x").parent.glob(f"*/{RESULT_FILE}"))
    found = (kept_result(settings, file.parent.name) for file in files)
    return [one for one in found if one is not None]


def picture_of(settings: Settings, kept: KeptResult) -> npt.NDArray[np.uint8]:
    """Return the picture of a kept result, (H, W, 3) red green blue."""
    import cv2

    data = (plan_folder(settings, kept.key) / PICTURE_FILE).read_bytes()
    found = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(found[..., ::-1])


def forget(settings: Settings, key: str) -> None:
    """Remove the folder of a plan: the registry has its model."""
    folder = plan_folder(settings, key)
    # First what makes it a result: a kill in between leaves files, not half a result.
    (folder / RESULT_FILE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
