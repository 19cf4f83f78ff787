"""What a student learns from: windows of held-in sessions, and a teacher of the registry.

Reads the registry; writes the copies of model files that `registry.download` keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog import ids
from infra import registry
from infra.errors import (
    MissingBaselineError,
    ModelInvalidError,
    ModelNotFoundError,
    NoChampionError,
)
from models.precision import precision_of
from tasks.distiller.material import FITTED, JUDGED
from tasks.distiller.presets import MODEL_NAME, PRESETS
from tasks.training.recipe import TRAINED_ON_FILE
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from infra.registry import ModelVersion
    from infra.settings import Settings
    from models.precision import Precision
    from tasks.distiller.material import DistillerMaterial
    from tasks.student.presets import StudentPreset


@dataclass(frozen=True, slots=True)
class Teacher:
    """A distiller of the registry: its name there, a folder of its files, the digest of those.

    `precision` is the arithmetic it was trained in.
    """

    uri: str
    folder: str
    digest: str
    precision: Precision


@dataclass(frozen=True, slots=True)
class StudentMaterial:
    """Windows on either side of the split, and who says what they are."""

    windows: DistillerMaterial
    teacher: Teacher


def heldout_digest(windows: DistillerMaterial, preset: StudentPreset) -> str:
    """Name the held-out windows and the protocol: results compare only where this is equal."""
    return ids.digest(
        "heldout-student",
        FITTED,
        JUDGED,
        (preset.window_steps, preset.cameras),
        windows.read,
        *windows.judged,
        *windows.clips,
        *source_parts("tasks.student.evaluate"),
    )


def require_rig(windows: DistillerMaterial) -> None:
    """Refuse what could only be found out after training.

    Raises:
        MissingBaselineError: no clip was seen by two cameras.
    """
    # Each is "clip/camera".
    clips = [name.partition("/")[0] for name in (*windows.judged, *windows.clips)]
    if len(set(clips)) == len(clips):
        raise MissingBaselineError(
            "No session has two cameras, and a student is judged by finding a moment through "
            "another camera.",
            command="stillhouse ingest FOLDER",
        )


def teacher_version(settings: Settings, uri: str | None) -> ModelVersion:
    """Return the distiller of that name, the champion if there is no name.

    Raises:
        UsageError, NoChampionError, ModelNotFoundError: see `registry.resolve`.
        ModelInvalidError: it is no distiller.
    """
    try:
        version = registry.resolve(settings, uri or MODEL_NAME)
    except NoChampionError as error:
        newest = registry.newest(settings, MODEL_NAME)
        command = f"stillhouse distill --model {MODEL_NAME}"
        if newest is not None:
            command = f"stillhouse distill --model student --teacher models:/{MODEL_NAME}/{newest}"
        raise NoChampionError(
            "A student learns from the champion distiller, and none has been promoted: promote "
            "one, or name its teacher.",
            command=command,
        ) from error
    if version.name != MODEL_NAME:
        raise ModelInvalidError(
            f"{version.uri} is no distiller: it cannot teach.", command="stillhouse show models"
        )
    return version


def teacher_of(settings: Settings, version: ModelVersion) -> Teacher:
    """Return a distiller as what teaches; its files are fetched, if they are not here."""
    preset = PRESETS.get(version.tags.get("preset", ""))
    precision = precision_of(bf16=preset is not None and preset.bf16)
    folder = registry.download(settings, version)
    return Teacher(version.uri, str(folder), version.digest, precision)


def learned_from(settings: Settings, version: ModelVersion) -> set[str]:
    """Return the sessions that a version says it was trained on; none if it does not say."""
    try:
        found = registry.read_artifact_json(settings, version.run_id, TRAINED_ON_FILE)
    except ModelNotFoundError:
        return set()
    return {one["session_id"] for one in found}
