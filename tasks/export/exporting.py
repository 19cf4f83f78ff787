"""Export: a model of the registry as files that run without this application.

Reads the registry, and for int8 the catalog's features; writes `fp32.onnx`, if asked for
`int8.onnx` and `fp32.pte`, and `manifest.json` into the folder named. The manifest is written last:
a folder without one is not an export.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from importlib.metadata import version as package_version
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra import registry
from infra.errors import ExportUnsupportedError, ModelInvalidError, UsageError
from infra.past_runs import tracking_errors
from infra.storage import atomic_write_bytes, atomic_write_json, disk_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from infra.registry import ModelVersion
    from models.portable import Portable
    from tasks.runs.record import FlowRun

FORMAT = 1
MANIFEST, FP32, INT8, PTE = "manifest.json", "fp32.onnx", "int8.onnx", "fp32.pte"
VERSIONS = ("stillhouse", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")
# Steps of each that are timed, in turns, after some that are not.
_TIMED, _WARM = 40, 5


@task(cache_policy=NO_CACHE, persist_result=False)
def export_model(
    uri: str, to: str, run: FlowRun, *, int8: bool = False, pte: bool = False
) -> dict[str, Any]:
    """Write a model's step as ONNX into a folder; return `folder` and its `manifest`.

    With `int8` it is quantised too, by pictures of training sessions, and held against fp32 on
    those held out. `ships` in the manifest says which of the two to use: int8 where it is faster
    and near enough. With `pte` the step is written for ExecuTorch besides, in fp32.

    Raises:
        UsageError: the folder holds something that is no export.
        NoChampionError, ModelNotFoundError, ModelInvalidError: there is no such model.
        ExportUnsupportedError: a part of the model cannot be exported; which, it says.
        ExporterMissingError: ExecuTorch is not installed.
        CatalogEmptyError, NothingToLearnError: int8 needs pictures and there are none.
    """
    folder = Path(to)
    _refuse_other(folder)
    run.ledger.inputs = 1
    with tracking_errors(run.settings):
        version = registry.resolve(run.settings, uri)
        net = _network(registry.download(run.settings, version), version)
    part, fp32 = _exported(net, version)
    files = {FP32: fp32}
    if pte:
        files[PTE] = _program(part, version)
    manifest = _described(net, part, fp32, version)
    if int8:
        from tasks.export.int8 import to_int8
        from tasks.export.pictures import calibration_pictures, heldout_pictures

        clips = calibration_pictures(run)
        files[INT8] = to_int8(fp32, part, clips)
        manifest["int8"] = {
            "calibration_clips": len(clips),
            "calibration_pictures": sum(map(len, clips)),
            **compared(part, fp32, files[INT8], heldout_pictures(run)),
        }
        if manifest["int8"]["within_goal"]:
            manifest["ships"] = INT8
    manifest["files"] = [
        {"file": name, "bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()}
        for name, blob in files.items()
    ]
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (MANIFEST, FP32, INT8, PTE):
            (folder / name).unlink(missing_ok=True)
        for name, blob in files.items():
            atomic_write_bytes(folder / name, blob)
        atomic_write_json(folder / MANIFEST, manifest)
    run.ledger.done = 1
    run.ledger.bytes_out = sum(map(len, files.values()))
    return {"folder": str(folder.absolute()), "manifest": manifest}


def compared(
    part: Portable, fp32: bytes, int8: bytes, clips: Sequence[Tensor]
) -> dict[str, float | str | bool | int]:
    """Return how near int8 is to fp32 over streams of pictures, and how much faster.

    `less_their_mean` is the same of embeddings without what all of them share. `faster` is the
    ratio of the median CPU times of one step, taken in turns.
    """
    import torch

    from tasks.export.onnx_step import OnnxSteps

    ours, theirs = OnnxSteps(int8, part), OnnxSteps(fp32, part)
    first = part.outputs[0].name
    pairs = [
        (torch.from_numpy(a[first]), torch.from_numpy(b[first]))
        for clip in clips
        for (_, a), (_, b) in zip(ours.stream(clip), theirs.stream(clip), strict=True)
    ]
    near = [part.likeness(a, b) for a, b in pairs]
    # What all embeddings share is near whatever int8 does to the rest.
    apart = near
    if pairs[0][0].ndim == 2:
        middle = torch.cat([b for _, b in pairs]).mean(dim=0)
        apart = [part.likeness(a - middle, b - middle) for a, b in pairs]
    given, _ = next(theirs.stream(clips[0]))
    times: dict[OnnxSteps, list[float]] = {ours: [], theirs: []}
    for _ in range(_WARM + _TIMED):
        for steps, spent in times.items():
            started = time.process_time()
            steps.step(given)
            spent.append(time.process_time() - started)
    fast, slow = (median(spent[_WARM:]) for spent in times.values())
    return {
        "judged_clips": len(clips),
        "judged_pictures": len(near),
        "measure": part.measure,
        "mean": round(fmean(near), 5),
        "worst": round(min(near), 5),
        "less_their_mean": round(fmean(apart), 5),
        "goal": part.least,
        "faster": round(slow / fast, 2),
        "within_goal": bool(min(fmean(near), fmean(apart)) >= part.least and fast < slow),
    }


def _refuse_other(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        try:
            known = json.loads((folder / MANIFEST).read_text("utf-8")).get("format") == FORMAT
        except (OSError, ValueError, AttributeError):
            known = False
        if not known:
            raise UsageError(
                f"{folder} holds something that is no export: name a new folder.",
                command="stillhouse export --help",
            )


def _network(folder: Path, version: ModelVersion) -> nn.Module:
    from models import weights

    try:
        return weights.load(folder)
    except ValueError as error:
        raise ModelInvalidError(
            f"{version.uri} cannot be read: {error}.", command="stillhouse show models"
        ) from error


def _exported(net: nn.Module, version: ModelVersion) -> tuple[Portable, bytes]:
    from models.portable import portable
    from tasks.export.onnx_step import to_onnx

    part = portable(net)
    command = "stillhouse distill --model student"
    if part is None:
        raise ExportUnsupportedError(
            f"{version.uri} is a {type(net).__name__}: no part of it runs by itself.",
            command=command,
        )
    try:
        return part, to_onnx(part)
    except ExportUnsupportedError as error:
        raise ExportUnsupportedError(
            f"{version.uri} cannot be exported: {error}", command=command
        ) from error


def _program(part: Portable, version: ModelVersion) -> bytes:
    from tasks.export.pte import to_pte

    try:
        return to_pte(part)
    except ExportUnsupportedError as error:
        raise ExportUnsupportedError(
            f"{version.uri} cannot be a .pte: {error}",
            command=f"stillhouse export {version.uri} --to FOLDER",
        ) from error


def _described(
    net: nn.Module, part: Portable, fp32: bytes, version: ModelVersion
) -> dict[str, Any]:
    """Return the manifest but for files and int8: the contract, where it is from, how true."""
    import torch

    from tasks.export.onnx_step import OPSET, PARITY, parity, shapes_of

    noise = torch.randint(0, 256, (4, 3, 112, 112), dtype=torch.uint8)
    apart = parity(part, fp32, [noise])
    if not apart <= PARITY:
        raise ExportUnsupportedError(
            f"{version.uri} answers otherwise in ONNX Runtime: {apart:.1e} from torch, "
            f"at most {PARITY:.0e} is allowed."
        )
    shapes = shapes_of(fp32)
    ports = {
        side: [port._asdict() | shapes[port.name] for port in some]
        for side, some in (("inputs", part.inputs), ("outputs", part.outputs))
    }
    return {
        "format": FORMAT,
        "model": version.name,
        "version": version.version,
        "uri": version.uri,
        "architecture": type(net).__name__,
        "config": asdict(net.config),  # type: ignore[call-overload]  # every network of ours has one
        "weights_digest": version.digest,
        "teacher": version.tags.get("teacher"),
        "opset": OPSET,
        **ports,
        "state": dict(part.state),
        "parity": apart,
        "ships": FP32,
        "int8": None,
        "versions": {name: package_version(name).partition("+")[0] for name in VERSIONS},
    }
