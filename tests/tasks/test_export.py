"""Export: what leaves the house answers as it did inside, and what cannot leave is named."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from footage import moving
from registered_distillers import register_distiller, tiny_distiller
from registered_students import register_student

from infra.errors import ExporterMissingError, ExportUnsupportedError, UsageError
from infra.settings import Settings
from models.depth import DepthConfig, DepthNet
from models.portable import portable
from models.student import Student, StudentConfig
from models.superresolution import SuperResolution, SuperResolutionConfig
from tasks.export.exporting import compared, export_model
from tasks.export.int8 import to_int8
from tasks.export.onnx_step import PARITY, OnnxSteps, parity, shapes_of, to_onnx
from tasks.export.pte import to_pte
from tasks.mux import write_video
from tasks.runs.record import FlowRun

if TYPE_CHECKING:
    from torch import Tensor, nn

EXAMPLE = Path(__file__).parents[2] / "docs" / "example_student.py"
TINY = StudentConfig(side=32, channels=(16, 16, 16, 16), state=16, embedding=24)


def pictures(seed: int, count: int = 5, side: int = 112) -> Tensor:
    """Return patches that change: (count, 3, side, side) uint8."""
    torch.manual_seed(seed)
    coarse = torch.randint(0, 256, (count, 3, side // 16, side // 16), dtype=torch.uint8)
    return coarse.repeat_interleave(16, 2).repeat_interleave(16, 3)


def trained(net: nn.Module) -> nn.Module:
    """Return a network that is not as it was drawn: statistics and all outputs are something."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, x in (*net.named_parameters(), *net.named_buffers()):
            if x.is_floating_point():
                spread = 0.2 * torch.rand_like(x) if "var" in name else 0.05 * torch.randn_like(x)
                x.add_(spread)
    return net.eval()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with a student and a distiller, whose catalog is empty."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    register_student(settings, tmp_path_factory.mktemp("student"), StudentConfig(side=64))
    register_distiller(settings, tmp_path_factory.mktemp("distiller"), 0)
    return settings


@pytest.fixture(scope="module")
def exported(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the student, exported by its champion's name."""
    folder = tmp_path_factory.mktemp("exported") / "onnx"
    export_model.fn("student", str(folder), FlowRun("export", settings))
    return folder


@pytest.mark.parametrize(
    "net",
    [
        Student(TINY),
        SuperResolution(SuperResolutionConfig(width=16, hidden=16, layers=3)),
        DepthNet(DepthConfig(channels=(16, 16, 16, 16), blocks=1)),
    ],
    ids=["student", "super-resolution", "depth"],
)
def test_onnx_runtime_answers_as_torch_does(net: nn.Module) -> None:
    """Over a stream of pictures, state and all, no output differs by more than 1e-4."""
    part = portable(trained(net))
    assert part is not None
    model = to_onnx(part)
    assert parity(part, model, [pictures(0), pictures(1, 1)]) <= PARITY


def test_super_resolution_takes_pictures_of_any_size() -> None:
    """Its sides are free, and named so; other shapes than the exporter saw are answered alike."""
    part = portable(trained(SuperResolution(SuperResolutionConfig(width=16, hidden=16, layers=2))))
    assert part is not None
    model = to_onnx(part)
    assert shapes_of(model)["current"]["shape"] == [1, 3, "h", "w"]
    assert shapes_of(model)["enlarged"]["shape"] == [1, 3, "2*h", "2*w"]
    assert parity(part, model, [pictures(0, 3, 64)[..., :48]]) <= PARITY


def test_int8_is_smaller_and_near() -> None:
    """Ranges from some pictures hold for others: cosine at least .98 of fp32, and smaller.

    Speed is not asked here: other work may be on the machine.
    """
    part = portable(trained(Student(StudentConfig(side=32, channels=(16, 32, 64, 64)))))
    assert part is not None
    fp32 = to_onnx(part)
    int8 = to_int8(fp32, part, [pictures(k) for k in range(6)])
    assert len(int8) < 0.6 * len(fp32)
    assert shapes_of(int8) == shapes_of(fp32)
    found = compared(part, fp32, int8, [pictures(k) for k in range(10, 13)])
    assert found["judged_pictures"] == 15
    assert float(found["worst"]) > 0.98


def test_a_part_that_cannot_be_exported_is_named() -> None:
    """Of a distiller it is where it picks the pictures that are there, found by trying."""
    part = portable(tiny_distiller(0))
    assert part is not None
    with pytest.raises(ExportUnsupportedError, match=r"see \(models/distiller\.py:\d+\)"):
        to_onnx(part)
    assert portable(torch.nn.Linear(2, 2)) is None


def test_a_distiller_is_refused_and_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    """The error names the model, the part and what can be exported instead."""
    run = FlowRun("export", settings)
    with pytest.raises(ExportUnsupportedError, match=r"models:/distiller/1 .*see \(") as caught:
        export_model.fn("models:/distiller/1", str(tmp_path / "out"), run)
    assert caught.value.command == "stillhouse distill --model student"
    assert not (tmp_path / "out").exists()


def test_the_manifest_is_the_contract(exported: Path) -> None:
    """Ports with shapes and meanings, what state goes where, digests that are the files'."""
    manifest = json.loads((exported / "manifest.json").read_text())
    assert [port["name"] for port in manifest["inputs"]] == ["rgb", "state", "mask", "dt"]
    assert manifest["inputs"][0]["shape"] == [1, 3, 64, 64]
    assert manifest["inputs"][0]["dtype"] == "uint8"
    assert all(port["meaning"] for port in (*manifest["inputs"], *manifest["outputs"]))
    assert manifest["state"] == {"next_state": "state"}
    assert manifest["ships"] == "fp32.onnx"
    assert manifest["parity"] <= PARITY
    (file,) = manifest["files"]
    blob = (exported / file["file"]).read_bytes()
    assert file["sha256"] == sha256(blob).hexdigest()
    assert file["bytes"] == len(blob)
    # Nothing of the machine it was made on.
    assert str(Path(__file__).parents[2]).encode() not in blob


def test_an_export_is_repeated_byte_by_byte_and_nothing_else_is_overwritten(
    settings: Settings, exported: Path, tmp_path: Path
) -> None:
    """The same folder again gives the same file; a folder of something else is left alone."""
    before = (exported / "fp32.onnx").read_bytes()
    export_model.fn("models:/student/1", str(exported), FlowRun("export", settings))
    assert (exported / "fp32.onnx").read_bytes() == before
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no export"):
        export_model.fn("student", str(tmp_path), FlowRun("export", settings))
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_the_example_embeds_a_video_by_itself(exported: Path, tmp_path: Path) -> None:
    """In a process of its own, without this application: a line each 80 ms, as our decoder sees."""
    write_video(tmp_path / "video.mp4", moving(), rate=25)
    command = [sys.executable, "-I", str(EXAMPLE), str(exported), str(tmp_path / "video.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert len(lines) == 50  # 100 frames at 25 a second, every second one
    assert lines[0].split() == ["0.00", "s"]
    assert all("like" not in line for line in lines[:13])
    assert all("cosine" in line for line in lines[13:])
    source = EXAMPLE.read_text()
    assert not {"stillhouse", "torch", "tasks", "models"} & {
        line.split()[1].split(".")[0]
        for line in source.splitlines()
        if line.startswith(("import", "from"))
    }


def test_the_example_says_what_the_student_says(exported: Path) -> None:
    """Stepped in ONNX Runtime from the folder alone, embeddings are those of torch."""
    net = Student(StudentConfig(side=64))
    part = portable(net)
    assert part is not None
    steps = OnnxSteps((exported / "fp32.onnx").read_bytes(), part)
    found = np.stack([answer["embedding"][0] for _, answer in steps.stream(pictures(3))])
    assert found.shape == (5, 128)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_program_for_phones_answers_as_torch_does_where_its_exporter_is(
    settings: Settings, tmp_path: Path
) -> None:
    """ExecuTorch's runtime is within 1e-4; without the extra the error says what to install."""
    if find_spec("executorch") is None:
        with pytest.raises(ExporterMissingError, match="executorch") as caught:
            export_model.fn("student", str(tmp_path / "a"), FlowRun("export", settings), pte=True)
        assert caught.value.command == "pip install 'stillhouse[executorch]'"
        pytest.skip("the optional extra executorch is not installed: no program is made")
    from executorch.runtime import Runtime

    part = portable(trained(Student(TINY)))
    assert part is not None
    program = Runtime.get().load_program(to_pte(part))
    example = list(part.example().values())
    found = program.load_method("forward").execute(example)
    with torch.inference_mode():
        ours = part.module(*example)
    assert max(float((a - b).abs().max()) for a, b in zip(found, ours, strict=True)) <= PARITY
