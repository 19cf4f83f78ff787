from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from models import weights
from models.superresolution import SuperResolution, SuperResolutionConfig

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, SuperResolution, str]:
    """A small network in a folder that `save` made, with its digest."""
    module = SuperResolution(SuperResolutionConfig(scale=4, width=16, hidden=8, layers=3))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    folder = tmp_path / "model" / "1"
    return folder, module, weights.save(folder, module)


def test_a_model_comes_back_equal(saved: tuple[Path, SuperResolution, str]) -> None:
    """Config and every weight survive, and the folder holds two files, none of them a pickle."""
    folder, module, digest = saved
    back = weights.load(folder, digest=digest)
    assert isinstance(back, SuperResolution)
    assert back.config == module.config
    assert not back.training
    state = back.state_dict()
    assert all(torch.equal(state[k], v) for k, v in module.state_dict().items())
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "weights.safetensors"]


def test_the_digest_is_of_content_alone(saved: tuple[Path, SuperResolution, str]) -> None:
    """Memory layout and folder change nothing; one weight changes the digest."""
    folder, module, digest = saved
    module.to(memory_format=torch.channels_last)
    assert weights.save(folder.parent / "2", module) == digest
    with torch.no_grad():
        module.last.bias[0] += 1
    assert weights.save(folder.parent / "3", module) != digest


@pytest.mark.parametrize("file", ["config.json", "weights.safetensors"])
def test_a_changed_byte_is_refused(saved: tuple[Path, SuperResolution, str], file: str) -> None:
    """Either file, changed after saving, no longer fits the digest."""
    path = saved[0] / file
    blob = bytearray(path.read_bytes())
    at = blob.index(b'"width": 16') + 9 if file == "config.json" else len(blob) - 1
    blob[at] ^= 1 if file != "config.json" else ord("1") ^ ord("2")
    path.write_bytes(bytes(blob))
    with pytest.raises(ValueError, match="it was changed"):
        weights.load(saved[0])


def test_another_model_than_the_one_asked_for_is_refused(
    saved: tuple[Path, SuperResolution, str],
) -> None:
    """A sound folder with another digest is not what the registry meant."""
    with pytest.raises(ValueError, match="not 00ff"):
        weights.load(saved[0], digest="00ff")


def rewrite(folder: Path, **changes: object) -> None:
    """Change config entries and make the digest fit again, as a newer version would."""
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    config.pop("digest")
    blob = (folder / "weights.safetensors").read_bytes()
    config["digest"] = weights._digest(config, blob)
    path.write_text(json.dumps(config))


def test_unknown_architectures_and_versions_are_refused(
    saved: tuple[Path, SuperResolution, str],
) -> None:
    """A model from a later Stillhouse is named, not guessed at."""
    rewrite(saved[0], version=99)
    with pytest.raises(ValueError, match="version 99, which this code does not know"):
        weights.load(saved[0])


def test_weights_of_another_size_are_refused(saved: tuple[Path, SuperResolution, str]) -> None:
    """Weights that do not fit the config are a ValueError, not torch's RuntimeError."""
    rewrite(saved[0], config={"scale": 4, "width": 24, "hidden": 8, "layers": 3})
    with pytest.raises(ValueError, match="do not fit its config"):
        weights.load(saved[0])


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    """Nothing there, or nonsense there: both say which folder."""
    with pytest.raises(ValueError, match="holds no model"):
        weights.load(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="holds no model"):
        weights.load(tmp_path)


def test_only_known_architectures_are_saved(tmp_path: Path) -> None:
    """A module nobody could load again is not written."""
    with pytest.raises(ValueError, match="Linear is not in ARCHITECTURES"):
        weights.save(tmp_path, nn.Linear(2, 2))
