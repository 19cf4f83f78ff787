"""The models that encode, by their name in the registry: what windows each reads, how exactly.

Reads and writes nothing and needs no torch. A new encoder is one line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.distiller.presets import MODEL_NAME as DISTILLER
from tasks.distiller.presets import PRESETS as DISTILLERS
from tasks.manifold.presets import MODEL_NAME as MANIFOLD
from tasks.manifold.presets import PRESETS as MANIFOLDS
from tasks.manifold.presets import VIEWS as MANIFOLD_VIEWS
from tasks.student.presets import MODEL_NAME as STUDENT
from tasks.student.presets import PRESETS as STUDENTS
from tasks.windows.reader import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.registry import ModelVersion


@dataclass(frozen=True, slots=True)
class Reading:
    """Windows of so many steps, of these tensors, in bf16 where the CPU has it or in fp32."""

    steps: int = WindowSpec().steps
    tensors: tuple[str, ...] = WindowSpec().tensors
    bf16: bool = True


# By model, then by the preset it was made by.
ENCODERS: dict[str, Mapping[str, Reading]] = {
    DISTILLER: {k: Reading(one.window_steps, bf16=one.bf16) for k, one in DISTILLERS.items()},
    MANIFOLD: {
        k: Reading(one.window_steps, MANIFOLD_VIEWS, bf16=one.bf16) for k, one in MANIFOLDS.items()
    },
    STUDENT: {k: Reading(one.window_steps, ("rgb",), one.bf16) for k, one in STUDENTS.items()},
}


def reading_of(model: ModelVersion) -> Reading:
    """Return how a version reads windows: as it was trained and judged, where its tags say."""
    return ENCODERS.get(model.name, {}).get(model.tags.get("preset", ""), Reading())
