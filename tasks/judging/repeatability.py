"""Whether a model answers alike: again, in another batch size, and in a process of its own.

Reads a model's folder and inputs; writes a temporary file. Two new processes are started, one after
the other: `python -m tasks.judging.repeatability FOLDER INPUTS PRECISION THREADS again|once` prints
digests as JSON.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from infra.errors import ModelInvalidError
from models import weights
from models.precision import autocast
from models.window_encoder import WindowEncoder
from tasks.codes.encoding import coded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from models.precision import Precision

    Case = Mapping[str, Tensor]

ROOT = Path(__file__).parents[2]
# The one tensor of an input of a model that encodes no windows.
INPUT = "input"
AGAIN, ONCE = "again", "once"
# How far embeddings of length 1 may move with the batch size. On this kind of CPU they stay within
# 1.4e-7 in fp32 and do not move in bf16, in batches of 1 to 8.
EMBEDDING_TOLERANCE = 1e-6
_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Repeatability:
    """Of how many inputs the answer differed, and how.

    `again` in the same process, `batched` beside another input (None where that was not asked),
    `fresh` in another process. `moved` is the most an embedding moved with the batch size.
    """

    cases: int
    again: int
    batched: int | None
    fresh: int
    moved: float = 0.0

    @property
    def differing(self) -> int:
        """How often any of them differed, embeddings beyond tolerance included."""
        return self.again + (self.batched or 0) + self.fresh + int(self.moved > EMBEDDING_TOLERANCE)


def repeatability(
    folder: Path, cases: Sequence[Case], *, precision: Precision = "fp32", threads: int = 1
) -> Repeatability:
    """Measure it on inputs, each a batch of 1.

    Of an encoder they are windows as it takes them, and the answer is the coded bytes, where it
    has a coder, and the embedding; beside another window of as many cameras (or itself, where
    there is none) the bytes must be the same, the embedding nearly. Of any other model the input
    is one tensor `INPUT` and the answer what it serves; it is not asked in another batch size.

    Raises:
        ValueError: there is no input.
        ModelInvalidError: the folder holds no model, or it does not answer.
    """
    if not cases:
        raise ValueError("without an input there is nothing to repeat")
    with TemporaryDirectory() as temporary:
        file = Path(temporary) / "inputs.safetensors"
        # Copies: what shares memory, or is a view in another order, is not written.
        flat = {
            f"{k}/{name}": x.clone(memory_format=torch.contiguous_format)
            for k, case in enumerate(cases)
            for name, x in case.items()
        }
        save_file(flat, file)
        one, other = (
            _elsewhere(folder, file, precision, threads, times) for times in (AGAIN, ONCE)
        )
    return Repeatability(
        cases=len(cases),
        again=_differing(one["first"], one["again"]),
        batched=_differing(one["bytes"], one["batched"]) if one["batched"] else None,
        fresh=_differing(one["first"], other["first"]),
        moved=one["moved"],
    )


def _differing(ours: Sequence[str], theirs: Sequence[str]) -> int:
    return sum(a != b for a, b in zip(ours, theirs, strict=True))


def _elsewhere(
    folder: Path, file: Path, precision: str, threads: int, times: str
) -> dict[str, Any]:
    """Answer all inputs in a new process, as `_answers` does."""
    command = [sys.executable, "-m", "tasks.judging.repeatability"]
    done = subprocess.run(  # noqa: S603  this module, by this interpreter
        [*command, str(folder.absolute()), str(file), precision, str(threads), times],
        cwd=ROOT,  # where this application is, installed or not
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
        raise ModelInvalidError(f"The model in {folder} does not answer: {last}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _answers(
    folder: Path, file: Path, precision: Precision, threads: int, times: str
) -> dict[str, Any]:
    torch.set_num_threads(threads)
    model = weights.load(folder)
    cases = _cases(load_file(file))
    with torch.inference_mode(), autocast(precision):
        if not isinstance(model, WindowEncoder):
            first, again = ([_served(model, case) for case in cases] for _ in range(2))
            return {"first": first, "again": again, "batched": [], "moved": 0.0}
        answers = [_coded(model, case)[0] for case in cases]
        found: dict[str, Any] = {"first": [_digest(*answer) for answer in answers]}
        if times == ONCE:
            return found
        found["again"] = [_digest(*_coded(model, case)[0]) for case in cases]
        beside = [_coded(model, _beside(case, cases))[0] for case in cases]
    pairs = list(zip(answers, beside, strict=True))
    return found | {
        "bytes": [_digest(code) for (code, _), _ in pairs],
        "batched": [_digest(code) for _, (code, _) in pairs],
        "moved": max(float((b - a).abs().max()) for (_, a), (_, b) in pairs),
    }


def _cases(flat: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    found: dict[int, dict[str, Tensor]] = {}
    for name, tensor in flat.items():
        number, _, what = name.partition("/")
        found.setdefault(int(number), {})[what] = tensor
    return [found[number] for number in sorted(found)]


def _beside(case: Case, cases: Sequence[Case]) -> dict[str, Tensor]:
    """Return a batch of an input and another of its shapes, itself if there is none."""
    shapes = {name: x.shape for name, x in case.items()}
    alike = (c for c in cases if c is not case and {k: x.shape for k, x in c.items()} == shapes)
    other = next(alike, case)
    return {name: torch.cat([x, other[name]]) for name, x in case.items()}


def _coded(model: WindowEncoder, windows: Case) -> list[tuple[bytes, Tensor]]:
    """Return the bytes and the embedding of each window of a batch."""
    encoded = model.encode(windows)
    return [
        (coded(model, encoded, k)[0], embedding) for k, embedding in enumerate(encoded.embedding)
    ]


def _served(model: torch.nn.Module, case: Case) -> str:
    return _digest(b"", model.serve(case[INPUT]))  # type: ignore[operator]  # every model of ours serves


def _digest(code: bytes, tensor: Tensor | None = None) -> str:
    whole = hashlib.sha256(code)
    if tensor is not None:
        whole.update(tensor.float().contiguous().numpy().tobytes())
    return whole.hexdigest()


if __name__ == "__main__":
    given = sys.argv[1:]
    precision_given: Precision = "bf16" if given[2] == "bf16" else "fp32"
    told = _answers(Path(given[0]), Path(given[1]), precision_given, int(given[3]), given[4])
    sys.stdout.write(json.dumps(told))
