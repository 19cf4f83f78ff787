"""The workers' side of reindex: windows of clips in, rows of the table `codes` out.

Reads features and a model's folder; writes nothing. An actor loads the model once and encodes
windows of equally many cameras together; a code's bytes do not depend on which (decision 0018).
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from catalog.ids import digest
from catalog.schemas.codes import CODES
from catalog.table import conform
from infra.errors import ModelInvalidError
from models import weights
from models.codec import Symbols
from models.distiller import Distiller
from models.extractor import FRAME_VIEWS
from models.precision import autocast
from tasks.splits import TRAIN
from tasks.window_sets import as_torch
from tasks.windows import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from models.distiller import Encoded
    from tasks.clip_index import ClipIndex
    from tasks.window_sets import WindowSource

# Windows that are encoded at once: more fill no cache better.
BATCH_WINDOWS = 16


@dataclass(frozen=True, slots=True)
class ClipWindows:
    """A clip to encode; `given` names the features that it is encoded from."""

    clip_id: str
    session_id: str
    cameras: int
    steps: int
    given: str

    def firsts(self, steps: int) -> range:
        """Where its windows of so many steps begin: side by side, the last may be a shorter one."""
        return range(0, self.steps, steps)

    def refusal(
        self, version: str, reason: str, detail: str, seen_ns: int, flow_run_id: str
    ) -> dict[str, Any]:
        """Return the quarantine row that says why there is no code of it by a model."""
        return {
            "item_id": self.clip_id,
            "kind": "clip",
            "stage": "reindex",
            "reason": reason,
            "detail": detail,
            "version": version,
            "frames": 0,
            "seen_ns": seen_ns,
            "flow_run_id": flow_run_id,
        }


@dataclass(frozen=True, slots=True)
class EncoderModel:
    """A model's folder, and what the registry calls it."""

    folder: str
    name: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class EncodedClips:
    """What came of a batch of clips: rows of `codes` and of `quarantine`."""

    clips: int
    codes: pa.Table
    quarantine: list[dict[str, Any]]
    cpu_seconds: float


class Encoder:
    """What an actor holds: the model, and where windows are read from."""

    def __init__(
        self, model: EncoderModel, source: WindowSource, steps: int, flow_run_id: str
    ) -> None:
        """Load the model; `steps` are those of a window.

        Raises:
            ModelInvalidError: its files are damaged, of another architecture version, or no
                distiller's.
        """
        self._model, self._source, self._flow_run_id = model, source, flow_run_id
        self._spec = WindowSpec(steps=steps, stride=steps)
        self._net = load_distiller(Path(model.folder))

    def run(self, clips: Sequence[ClipWindows]) -> EncodedClips:
        """Encode the windows of some clips; one that cannot be is refused, the others are not."""
        began, now_ns = time.process_time(), time.time_ns()
        wanted = {clip.clip_id: clip for clip in clips}
        found: dict[str, list[dict[str, Any]]] = {clip_id: [] for clip_id in wanted}
        failed: dict[str, str] = {}
        for group in self._batches(wanted):
            try:
                rows = list(self._rows(group, wanted))
            except (ValueError, RuntimeError) as error:
                # One of them: each by itself tells which.
                rows = list(self._one_by_one(group, wanted, failed))
                if len(group) == 1:
                    failed[group[0][0].clip_id] = str(error)
            for row in rows:
                found[row["clip_id"]].append(row | {"created_ns": now_ns})
        for clip_id, rows in found.items():
            if not rows:
                failed.setdefault(clip_id, "no view says anything of it")
        why = ("not_encoded", now_ns, self._flow_run_id)
        refused = [
            wanted[clip_id].refusal(self._model.digest, why[0], detail, *why[1:])
            for clip_id, detail in failed.items()
        ]
        # A clip has all its codes or none.
        codes = [row for clip_id, rows in found.items() if clip_id not in failed for row in rows]
        table = conform(CODES, codes)
        return EncodedClips(len(clips), table, refused, time.process_time() - began)

    def _batches(
        self, wanted: dict[str, ClipWindows]
    ) -> Iterator[tuple[tuple[ClipIndex, int, dict[str, Any]], ...]]:
        """Read windows in which something is seen, and yield those of as many cameras together."""
        sessions = frozenset(clip.session_id for clip in wanted.values())
        reader = replace(self._source, sessions=sessions).reader(self._spec, TRAIN)
        steps = self._spec.steps
        places = [(one.clip_id, k) for one in wanted.values() for k in one.firsts(steps)]
        waiting: dict[int, list[tuple[ClipIndex, int, dict[str, Any]]]] = defaultdict(list)
        for clip, first, tensors in reader.at(places):
            if not any(tensors[f"mask_{name}"].any() for name in FRAME_VIEWS):
                continue
            some = waiting[len(tensors["camera_known"])]
            some.append((clip, first, tensors))
            if len(some) == BATCH_WINDOWS:
                yield tuple(some)
                some.clear()
        yield from (tuple(some) for some in waiting.values() if some)

    def _one_by_one(
        self,
        group: Sequence[tuple[ClipIndex, int, dict[str, Any]]],
        wanted: dict[str, ClipWindows],
        failed: dict[str, str],
    ) -> Iterator[dict[str, Any]]:
        if len(group) == 1:
            return
        for one in group:
            try:
                yield from self._rows((one,), wanted)
            except (ValueError, RuntimeError) as error:
                failed[one[0].clip_id] = str(error)

    def _rows(
        self,
        group: Sequence[tuple[ClipIndex, int, dict[str, Any]]],
        wanted: dict[str, ClipWindows],
    ) -> Iterator[dict[str, Any]]:
        """Encode windows of equally many cameras."""
        names = group[0][2]
        stacked = {
            name: torch.stack([as_torch_one(tensors)[name] for _, _, tensors in group])
            for name in [*names, "slot"]
        }
        with torch.inference_mode(), autocast("fp32"):
            code = self._net.encode(stacked)
        for k, (clip, first, _) in enumerate(group):
            yield self._row(code, k, clip, first, wanted[clip.clip_id].given)

    def _row(
        self, code: Encoded, k: int, clip: ClipIndex, first: int, given: str
    ) -> dict[str, Any]:
        model, step_ns = self._model, self._source.step_ns
        symbols = Symbols(*(part[k : k + 1] for part in code.symbols))
        start_ns = clip.start_ns + first * step_ns
        steps = self._spec.steps
        return {
            "code_id": digest("code", model.digest, clip.clip_id, first, given),
            "clip_id": clip.clip_id,
            "session_id": clip.session_id,
            "cameras": list(clip.cameras[: self._spec.cameras]),
            "first": first,
            "steps": steps,
            "start_ns": start_ns,
            "end_ns": start_ns + min(steps, clip.steps - first) * step_ns,
            "model": model.name,
            "model_version": model.version,
            "model_digest": model.digest,
            "given": given,
            "embedding": code.embedding[k].float().tolist(),
            "data": self._net.codec.to_bytes(symbols),
            "bits": float(code.bits[k]),
            "flow_run_id": self._flow_run_id,
        }


def as_torch_one(tensors: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return one window's tensors as the distiller takes them, without the batch axis."""
    return {name: x[0] for name, x in as_torch({k: v[None] for k, v in tensors.items()}).items()}


def load_distiller(folder: Path) -> Distiller:
    """Return the distiller of a folder, ready to use.

    Raises:
        ModelInvalidError: see `Encoder`.
    """
    try:
        model = weights.load(folder)
    except ValueError as error:
        raise ModelInvalidError(
            f"The model cannot be used: {error}.", command="stillhouse distill --model distiller"
        ) from error
    if not isinstance(model, Distiller):
        raise ModelInvalidError(
            f"{folder} holds a {type(model).__name__}, not a distiller.",
            command="stillhouse show models",
        )
    return model
