"""Which models are judged under damage, by which worker, on which held-out footage.

Reads the catalog and the registry; writes nothing. A new protocol is a worker and a line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog import ids
from catalog.query import rows
from infra.errors import UsageError
from tasks.distiller.material import distiller_material
from tasks.distiller.presets import MODEL_NAME as DISTILLER
from tasks.distiller.presets import distiller_preset_named
from tasks.judging.heldout import clips_by_split, heldout_digest
from tasks.superresolution.presets import MODEL_NAMES as SUPER_RESOLUTIONS
from tasks.views.current import missing_assets
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.ray_cluster import Worker
    from infra.registry import ModelVersion
    from tasks.robustness.cells import Cell
    from tasks.runs.record import FlowRun

# Windows (of super-resolution clips) of a held-out session that are judged, unless it is asked for
# others, and windows of a training session that baselines are fitted to. Promotion looks at what
# was measured with this many: a result of others is a look, no verdict.
WINDOWS, CLIPS, FITTED = 8, 1, 8


@dataclass(frozen=True)
class Protocol:
    """How one version is judged: `judged` names footage, code and arithmetic.

    `worker(*arguments(folder))` makes what judges cells; `rig` says whether there are cameras to
    damage one by one.
    """

    judged: str
    rig: bool
    worker: Callable[..., Worker[Cell, list[dict[str, Any]]]]
    arguments: Callable[[str], tuple[Any, ...]]


def is_judged(model: str) -> bool:
    """Tell whether there is a protocol for a model."""
    return model in _PROTOCOLS


def protocol_of(version: ModelVersion, windows: int | None, run: FlowRun) -> Protocol:
    """Return how a version is judged under damage now, on so many windows or clips a session.

    Raises:
        UsageError: there is no protocol for its model.
        CatalogEmptyError, NothingToLearnError, SplitImpossibleError: there is nothing to judge on.
    """
    if version.name not in _PROTOCOLS:
        raise UsageError(
            f"There is no robustness protocol for {version.name}; there is one for "
            f"{', '.join(_PROTOCOLS)}.",
            command="stillhouse evaluate --model distiller --robustness core",
        )
    return _PROTOCOLS[version.name](version, windows, run)


def _codes(version: ModelVersion, windows: int | None, run: FlowRun) -> Protocol:
    from models.precision import precision_of
    from tasks.robustness.codes import CodeCells, CodeWork

    preset = distiller_preset_named(version.tags["preset"])
    material = distiller_material(run)
    seen_again = not missing_assets(("appearance",), run.settings.assets)
    assets = str(run.settings.assets) if seen_again else None
    per_session = windows or WINDOWS
    labels = [tuple(row.values()) for row in rows(material.source.snapshot, "camera_labels")]
    judged = ids.digest(
        "robust-codes",
        material.heldout_digest(preset),
        per_session,
        FITTED,
        seen_again,
        labels,
        precision_of(bf16=preset.bf16),
        *source_parts("tasks.robustness.codes"),
    )

    def arguments(folder: str) -> tuple[Any, ...]:
        if seen_again:
            from tasks.views.appearance import AppearanceKind

            # Here, so that workers need not: it converts the network's file once.
            AppearanceKind().prepare(run.settings.assets, {})
        return (
            CodeWork(folder, version.uri, material.source, preset, assets, per_session, FITTED),
        )

    return Protocol(judged, rig=True, worker=CodeCells, arguments=arguments)


def _pictures(version: ModelVersion, windows: int | None, run: FlowRun) -> Protocol:  # noqa: ARG001  all versions alike
    from models.precision import cpu_precision
    from tasks.robustness.clips import FRAMES, PictureCells, PictureWork

    _, heldout = clips_by_split(run)
    per_session = windows or CLIPS
    judged = ids.digest(
        "robust-pictures",
        heldout_digest(heldout),
        per_session,
        FRAMES,
        cpu_precision(),
        *source_parts("tasks.robustness.clips"),
    )
    return Protocol(
        judged,
        rig=False,
        worker=PictureCells,
        arguments=lambda folder: (PictureWork(folder, heldout, per_session),),
    )


_PROTOCOLS: dict[str, Callable[[ModelVersion, int | None, FlowRun], Protocol]] = {
    DISTILLER: _codes,
    **dict.fromkeys(SUPER_RESOLUTIONS, _pictures),
}


def known_rows(run: FlowRun, model_digest: str, judged: str) -> list[dict[str, Any]]:
    """Return what is on record of a set of weights on some held-out footage."""
    asked = {"model_digest": model_digest, "judged": judged}
    return rows(run.catalog.snapshot(), "robustness_scores", asked)
