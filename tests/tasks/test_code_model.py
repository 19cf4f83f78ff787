"""The network that encodes is a whole distiller of this version, or is refused with what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from registered_distillers import TINY, tiny_distiller

from infra.errors import ModelArchitectureError, ModelInvalidError
from models import weights
from models.depth import DepthConfig, DepthNet
from models.distiller import Distiller
from tasks.codes.model import load_distiller, load_encoder

if TYPE_CHECKING:
    from pathlib import Path

URI = "models:/distiller/3"


def test_a_whole_distiller_is_read_as_it_was(tmp_path: Path) -> None:
    """Its weights and its coder's tables come back bit by bit."""
    net = tiny_distiller(1)
    weights.save(tmp_path, net)
    found = load_distiller(tmp_path, URI).state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in net.state_dict().items())


def test_another_version_of_the_architecture_is_named(tmp_path: Path) -> None:
    """The error says which version it is and which is known, and what makes a new one."""
    weights.save(tmp_path, tiny_distiller(1))
    path = tmp_path / weights.CONFIG_FILE
    config = json.loads(path.read_text()) | {"version": 99}
    del config["digest"]
    blob = (tmp_path / weights.WEIGHTS_FILE).read_bytes()
    config["digest"] = weights._digest(config, blob)
    path.write_text(json.dumps(config))
    with pytest.raises(
        ModelArchitectureError, match=r"distiller version 99; .* version 1"
    ) as found:
        load_distiller(tmp_path, URI)
    assert found.value.command == "stillhouse distill --model distiller"


@pytest.mark.parametrize("cut", [1, 10_000])
def test_a_damaged_file_is_told_from_a_wrong_one(tmp_path: Path, cut: int) -> None:
    """A weight file that was cut short or changed is not loaded; its copy is named."""
    weights.save(tmp_path, tiny_distiller(1))
    path = tmp_path / weights.WEIGHTS_FILE
    blob = path.read_bytes()
    path.write_bytes(blob[:-cut] + bytes([blob[-cut] ^ 1]))
    with pytest.raises(ModelInvalidError, match="it was changed") as found:
        load_distiller(tmp_path, URI)
    assert found.value.command == f"rm -r {tmp_path}"


def test_a_model_of_another_kind_makes_no_codes(tmp_path: Path) -> None:
    """A depth network is refused by its name, as what encodes and as a distiller."""
    weights.save(tmp_path, DepthNet(DepthConfig(channels=(16, 16, 16, 16), blocks=1)))
    with pytest.raises(ModelInvalidError, match="DepthNet, which makes no codes"):
        load_encoder(tmp_path, URI)
    with pytest.raises(ModelInvalidError, match="is a DepthNet, not a Distiller"):
        load_distiller(tmp_path, URI)


def test_a_distiller_whose_coder_has_no_tables_is_refused(tmp_path: Path) -> None:
    """It could encode, but no byte of it could be read again."""
    weights.save(tmp_path, Distiller(TINY))
    for load in (load_encoder, load_distiller):
        with pytest.raises(ModelInvalidError, match="tables"):
            load(tmp_path, URI)
