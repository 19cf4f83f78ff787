"""What it takes to make and judge one kind of model: the protocol that distill and promote follow.

Reads and writes nothing. `recipes.py` lists the recipes; each is one file beside this one.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from infra.registry import ModelVersion
    from infra.settings import Settings
    from tasks.runs.record import FlowRun

EVALUATION_FILE, TRAINED_ON_FILE = "evaluation.json", "trained_on.json"


@dataclass(frozen=True, slots=True)
class DistillPlan:
    """What is to be trained: the preset, what it learns from, and the key of the result.

    `material` is the recipe's own and travels to the training process; `parameters` are logged,
    the seed among them; `steps` is what progress counts to; `trained_on` are the sessions that are
    learned from; `version` is that of the registry, if it has the result. Of several `workers`
    each is a process of its own that the training process starts.
    """

    model: str
    preset: Any
    material: Any
    parameters: Mapping[str, object]
    steps: int
    key: str
    heldout_digest: str
    version: int | None = None
    trained_on: tuple[str, ...] = ()
    workers: int = 1

    @property
    def cached(self) -> bool:
        """Whether the registry already holds what this would make."""
        return self.version is not None


@dataclass(frozen=True, slots=True)
class Work:
    """Everything the training process needs; it speaks to no server.

    `folder` is the plan's own, for the model's two files and for checkpoints: what a run that was
    killed left there is still there when the same plan is run again.
    """

    plan: DistillPlan
    settings: Settings
    folder: str


Bound = Literal["above", "at least", "at most"]


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: what was measured, how it must stand to what, and whether it does.

    `value` is None where there was nothing to measure, and `said` says why. `interval` is that of
    the value, where it is a mean over sessions.
    """

    name: str
    value: float | None
    threshold: float
    passed: bool
    bound: Bound = "above"
    interval: tuple[float, float] | None = None
    said: str = ""

    @classmethod
    def of(
        cls,
        name: str,
        value: float | None,
        bound: Bound,
        threshold: float,
        *,
        interval: tuple[float, float] | None = None,
        said: str = "",
    ) -> Gate:
        """Hold a value against its threshold; what was not measured, or is no number, fails."""
        if value is None or math.isnan(value):
            return cls(name, None, threshold, passed=False, bound=bound, said=said)
        # Judged as it is recorded, so that nobody reads "0.0 above 0.0, passed".
        value = round(value, 4)
        passed = {
            "above": value > threshold,
            "at least": value >= threshold,
            "at most": value <= threshold,
        }[bound]
        rounded = interval and (round(interval[0], 4), round(interval[1], 4))
        return cls(name, value, threshold, passed, bound, rounded, said)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        found = asdict(self)
        return found | {"interval": self.interval and list(self.interval)}


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
        `parameters`, `train_seconds` and `losses`. It may have `curves` (a list of numbers by
        name), `figures` (a number by name) and `threads`, which are logged too, and `tags` (text by
        name) that the run and the version carry.
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

    def trials(self, version: ModelVersion, run: FlowRun) -> tuple[Gate, ...]:
        """Return the conditions that a version meets by itself: that it answers alike, and fast.

        Those of provenance and of what it was trained on are asked of every model.
        """

    def gates(self, challenger: Any, champion: Any | None) -> tuple[Gate, ...]:  # noqa: ANN401
        """Return the conditions for promotion, from two evaluations of `judge`."""
