"""What it takes to make and judge one kind of model: the protocol that distill and promote follow.

Reads and writes nothing. `recipes.py` lists the recipes; each is one file beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from infra.registry import ModelVersion
    from infra.settings import Settings
    from tasks.run_record import FlowRun

EVALUATION_FILE = "evaluation.json"


@dataclass(frozen=True, slots=True)
class DistillPlan:
    """What is to be trained: the preset, what it learns from, and the key of the result.

    `material` is the recipe's own and travels to the training process; `parameters` are logged;
    `steps` is what progress counts to; `version` is that of the registry, if it has the result.
    """

    model: str
    preset: Any
    material: Any
    parameters: Mapping[str, object]
    steps: int
    key: str
    heldout_digest: str
    version: int | None = None

    @property
    def cached(self) -> bool:
        """Whether the registry already holds what this would make."""
        return self.version is not None


@dataclass(frozen=True, slots=True)
class Work:
    """Everything the training process needs; it reads no catalog and speaks to no server."""

    plan: DistillPlan
    settings: Settings
    folder: str


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: what was measured, what it must be above, and whether it is."""

    name: str
    value: float
    threshold: float
    passed: bool


class Judged(Protocol):
    """What came of judging a model: its figures beside those of its baselines."""

    def metrics(self) -> dict[str, float]:
        """Everything, under flat names."""

    def model_metrics(self) -> dict[str, float]:
        """What concerns the model."""

    def baseline_metrics(self) -> dict[str, float]:
        """What concerns its baselines."""

    def table(self) -> list[dict[str, str | float | int]]:
        """Rows for people, all with the same keys."""

    def remarks(self) -> list[str]:
        """Sentences: what may not be concluded from the figures."""


class Recipe(Protocol):
    """How one kind of model is planned, made and judged."""

    @property
    def name(self) -> str:
        """The model's name in the registry."""

    def plan(self, preset: str, run: FlowRun) -> DistillPlan:
        """Choose what to learn from and name the result; `version` is left to distill.

        Raises:
            StillhouseError: it cannot be made: no such preset, nothing to learn from.
        """

    def make(self, work: Work) -> Iterator[dict[str, Any]]:
        """Train, save and judge, in a process of its own; yield progress, then one `result`.

        Progress is `{"step": n}`; the result has `digest`, `evaluation` (JSON), `picture`,
        `parameters`, `train_seconds` and `losses`.
        """

    def example(self) -> npt.NDArray[np.float32]:
        """Return an input that the registered model must answer, of its rank."""

    def read(self, evaluation: str) -> Judged:
        """Return an evaluation from its JSON.

        Raises:
            MissingBaselineError: its baselines were taken away.
        """

    def judge(self, versions: Sequence[ModelVersion], run: FlowRun) -> list[Any]:
        """Return the evaluation of each version on the same held-out material of now.

        What is on record for that is not measured again.
        """

    def gates(self, challenger: Any, champion: Any | None) -> tuple[Gate, ...]:  # noqa: ANN401
        """Return the conditions for promotion, from two evaluations of `judge`."""
