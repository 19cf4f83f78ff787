"""Which version of a model's codes serves, and how another begins to.

Reads the catalog; writes rows of `code_versions`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from catalog.query import rows
from catalog.schemas.code_versions import CODE_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.snapshot import Snapshot
    from infra.registry import ModelVersion
    from tasks.runs.record import FlowRun

# The parts of a version, as table `code_versions` has them and as people read them.
PARTS = {"model_digest": "model", "views": "views", "windows": "windows", "source": "source"}


class CodeVersion(Protocol):
    """A version of codes: of which model, and what it is made of."""

    @property
    def model(self) -> ModelVersion:
        """The model that made them."""

    @property
    def version(self) -> str:
        """Its digest."""

    @property
    def parts(self) -> Mapping[str, str]:
        """What that is a digest of, by its column in `code_versions`."""


def serving_of(snapshot: Snapshot, model: str) -> dict[str, Any] | None:
    """Return the row of `code_versions` of the codes that serve of a model, None if none do."""
    return next((row for row in rows(snapshot, "serving_codes") if row["model"] == model), None)


def begin_serving(made: CodeVersion, run: FlowRun) -> None:
    """Have a version of codes serve from now on, in place of what did."""
    before = serving_of(run.catalog.snapshot(), made.model.name)
    row = {
        **made.parts,
        "model": made.model.name,
        "version": made.version,
        "model_version": made.model.version,
        # Clocks of two machines may disagree: what is chosen later stands later.
        "chosen_ns": max(time.time_ns(), before["chosen_ns"] + 1 if before else 0),
        "flow_run_id": run.flow_run_id,
    }
    run.catalog.commit(CODE_VERSIONS, [row])
