"""How codes are refined, and what is to be refined of a clip: what driver and workers share.

Reads the catalog; writes nothing. Workers import it, so it needs no Prefect (1.6 s of CPU).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from catalog.ids import code_id, digest
from catalog.query import rows
from tasks.codes.targets import picture_spec
from tasks.views.version import own_source, source_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from catalog.snapshot import Snapshot
    from infra.registry import ModelVersion
    from models.precision import Precision
    from tasks.windows.clip_index import ClipIndex
    from tasks.windows.reader import WindowSpec

STAGE = "refine"
# What of our source can change a refined code: all of the search, and how its target is made.
SEARCH, TARGETS = "models.refinement", ("tasks.codes.targets", "tasks.windows.clip_windows")
WINDOWS = re.compile(r"(\d+) steps, (\w+)")
_BASE = re.compile(r", refined by .* of ([0-9a-f]{16})$")


def base_of(serving: Mapping[str, Any]) -> str | None:
    """Return the version that a row of `code_versions` was refined from, None if it was not."""
    found = _BASE.search(serving["windows"] or "")
    return found.group(1) if found else None


@dataclass(frozen=True, slots=True)
class Refining:
    """How codes are refined: of which model and version, by which method, to which pictures.

    `based` is the base's row of `code_versions`, `pictures` the version of the view of targets.
    """

    model: ModelVersion
    base: str
    based: Mapping[str, Any]
    pictures: str
    method: str
    evaluations: int
    seed: int

    @property
    def _cut(self) -> tuple[str, str]:
        steps, precision = cast("re.Match[str]", WINDOWS.match(self.based["windows"])).groups()
        return steps, precision

    @property
    def steps(self) -> int:
        """The steps of a window."""
        return int(self._cut[0])

    @property
    def precision(self) -> Precision:
        """The arithmetic that the codes are decoded in: that in which they were made."""
        return cast("Precision", self._cut[1])

    @property
    def spec(self) -> WindowSpec:
        """The windows of pictures."""
        return picture_spec(self.steps)

    @property
    def views(self) -> dict[str, str]:
        """The view that targets are made of, and its version."""
        (view,) = self.spec.views
        return {view: self.pictures}

    @property
    def parts(self) -> dict[str, str]:
        """What the version is made of, by its name in the table `code_versions`."""
        how = f"{self.method}, {self.evaluations} evaluations a clip, seed {self.seed}"
        return {
            "model_digest": self.based["model_digest"],
            "views": self.based["views"],
            "windows": f"{self.steps} steps, {self.precision}, refined by {how}, of {self.base}",
            "source": digest(*source_parts(SEARCH), *own_source(TARGETS), self.pictures),
        }

    @property
    def version(self) -> str:
        """The version of the refined codes."""
        return digest("refined", self.base, *self.parts.values())[:16]

    def row(self, stored: Mapping[str, Any], flow_run_id: str) -> dict[str, Any]:
        """Return a code of the base as one of this version, its bytes as they are."""
        named = stored["clip_id"], stored["first_step"], self.version, stored["given"]
        made = {"code_id": code_id(*named), "version": self.version, "flow_run_id": flow_run_id}
        return {**stored, **made}


@dataclass(frozen=True, slots=True)
class RefineWork:
    """One clip to be refined: its end on the session clock, and the digest of what it is given."""

    clip: ClipIndex
    end_ns: int
    given: str
    windows: int


def stored_codes(
    snapshot: Snapshot, refining: Refining, clips: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the base's codes of clips (clip_id, session_id, given), each's in order of time."""
    asked = {
        "model": refining.model.name,
        "version": refining.base,
        "session_ids": sorted({one["session_id"] for one in clips}),
        "clip_ids": [one["clip_id"] for one in clips],
        "givens": [one["given"] for one in clips],
    }
    return rows(snapshot, "codes_of_clips", asked) if clips else []
