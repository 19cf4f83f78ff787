from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra import registry
from infra.errors import (
    ModelInvalidError,
    ModelNotFoundError,
    NoChampionError,
    UsageError,
)
from infra.past_runs import read_artifact_json, run_metrics
from infra.settings import Settings
from infra.tracking import client
from models import weights
from models.superresolution import SuperResolution, SuperResolutionConfig

NAME = "super-resolution"
EXAMPLE = np.zeros((1, 3, 3, 16, 16), np.float32)


TRAIN = """
import sys
from pathlib import Path
import test_registry
from infra.settings import Settings
test_registry.train(Settings(home=Path(sys.argv[1])), "first")
"""


RIVAL = """
import sys
from pathlib import Path
from infra import registry
from infra.settings import Settings
from infra.tracking import client
settings = Settings(home=Path(sys.argv[1]))
with registry.start_run(settings, "rival", {}, {}) as run:
    run.log_metrics({"x": 1.0})
print(client(settings).get_run(run.run_id).info.status)
"""


@pytest.fixture(scope="module")
def first(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Settings, subprocess.CompletedProcess[str]]:
    """A home whose store and first version a process of its own made, and what that one said.

    A rival began with the same new home at the same time.
    """
    home = tmp_path_factory.mktemp("home")
    rival = subprocess.Popen([sys.executable, "-c", RIVAL, str(home)], stdout=subprocess.PIPE)
    said = subprocess.run(
        [sys.executable, "-c", TRAIN, str(home)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    found, _ = rival.communicate()
    assert (rival.returncode, found) == (0, b"FINISHED\n")
    return Settings(home=home), said


@pytest.fixture(scope="module")
def settings(first: tuple[Settings, subprocess.CompletedProcess[str]]) -> Settings:
    """A home whose registry has two versions."""
    settings, _ = first
    train(settings, "second")
    return settings


def train(settings: Settings, key: str) -> int:
    """Log a run and register an untrained network; return its version."""
    folder = settings.state / key
    digest = weights.save(folder, SuperResolution(SuperResolutionConfig()))
    with registry.start_run(settings, NAME, {"steps": 3, "lr": 1e-3}, {"distill_key": key}) as run:
        run.log_input_snapshot(settings.catalog, {"clips": 4, "recordings": 2})
        run.log_curve("train.loss", [3.0, 2.0, 1.0])
        run.log_metrics({"psnr_y": 31.5})
        run.log_table(
            [{"session": "a", "psnr_y": 31.0}, {"session": "b", "psnr_y": 32.0}], "t.json"
        )
        run.log_json({"key": key, "psnr": [1.5, None]}, "evaluation.json")
        run.log_picture(np.full((8, 16, 3), (250, 10, 10), np.uint8), "samples.png")
        tags = {"distill_key": key, "weights_digest": digest}
        return registry.register_model(run, NAME, folder, example=EXAMPLE, tags=tags)


def test_a_run_keeps_what_it_was_told(settings: Settings) -> None:
    """Parameters, curve, tags, inputs and artifacts can be read back from the store."""
    info = registry.version_info(settings, NAME, 1)
    store = client(settings)
    run = store.get_run(info.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"steps": "3", "lr": "0.001"}
    assert run.data.tags["distill_key"] == "first"
    assert run_metrics(settings, info.run_id) == {"train.loss": 1.0, "psnr_y": 31.5}
    history = store.get_metric_history(info.run_id, "train.loss")
    assert [(one.step, one.value) for one in history] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    read = {one.dataset.name: json.loads(one.dataset.source) for one in run.inputs.dataset_inputs}
    assert read["clips"]["delta_table_version"] == 4
    assert read["recordings"]["path"] == f"{settings.catalog}/recordings"
    found = registry.read_artifact_json(settings, info.run_id, "evaluation.json")
    assert found == {"key": "first", "psnr": [1.5, None]}
    assert {one.path for one in store.list_artifacts(info.run_id)} >= {"samples.png", "t.json"}
    with pytest.raises(ModelNotFoundError, match=r"no absent\.json"):
        registry.read_artifact_json(settings, info.run_id, "absent.json")


def mlflow_is_idle() -> bool:
    """Tell whether no run is open in this thread."""
    import mlflow

    return mlflow.active_run() is None


def test_a_run_that_raises_is_failed_and_one_that_is_interrupted_killed(
    settings: Settings,
) -> None:
    """How a run ended is in the store, and the error goes on."""
    ended: dict[str, str] = {}
    for error in (ValueError, KeyboardInterrupt):
        with suppress(error), registry.start_run(settings, NAME, {}, {}) as run:
            ended[error.__name__] = run.run_id
            raise error
        assert mlflow_is_idle()
    statuses = {k: client(settings).get_run(v).info.status for k, v in ended.items()}
    assert statuses == {"ValueError": "FAILED", "KeyboardInterrupt": "KILLED"}


def test_versions_are_found_by_number_and_by_tag(settings: Settings) -> None:
    """A version has its tags, digest and run; a key that nobody has gives None."""
    assert [one.version for one in registry.versions(settings, NAME)] == [1, 2]
    assert registry.find_version(settings, NAME, "distill_key", "second") == 2
    assert registry.find_version(settings, NAME, "distill_key", "third") is None
    assert registry.find_version(settings, "other", "distill_key", "second") is None
    assert registry.names(settings) == [NAME]
    info = registry.version_info(settings, NAME, 2)
    assert (info.uri, info.tags["distill_key"]) == ("models:/super-resolution/2", "second")
    assert abs(info.created_ns - time.time_ns()) < 300e9
    with pytest.raises(ModelNotFoundError, match="version 9"):
        registry.version_info(settings, NAME, 9)
    with pytest.raises(UsageError, match="not a name"):
        registry.find_version(settings, "x' or name != '", "distill_key", "second")


def test_the_folder_that_was_registered_comes_back(settings: Settings) -> None:
    """Downloaded files equal the registered ones, load, and are kept by their digest."""
    info = registry.version_info(settings, NAME, 1)
    folder = registry.download(settings, info)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["config.json", "weights.safetensors"]
    for name in names:
        assert (folder / name).read_bytes() == (settings.state / "first" / name).read_bytes()
    assert isinstance(weights.load(folder), SuperResolution)
    assert registry.download(settings, info) == folder
    assert folder.name == info.digest


def test_a_folder_that_does_not_load_is_never_a_version(settings: Settings, tmp_path: Path) -> None:
    """The logged model must answer before it is registered."""
    weights.save(tmp_path / "m", SuperResolution(SuperResolutionConfig()))
    (tmp_path / "m" / "weights.safetensors").write_bytes(b"not weights")
    before = len(registry.versions(settings, NAME))
    with (
        pytest.raises(ModelInvalidError, match="does not run"),
        registry.start_run(settings, NAME, {}, {}) as run,
    ):
        registry.register_model(run, NAME, tmp_path / "m", example=EXAMPLE, tags={})
    assert len(registry.versions(settings, NAME)) == before


LOAD = """
import sys, mlflow, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
x = np.random.default_rng(0).random((1, 3, 3, 16, 16), np.float32)
y = mlflow.pyfunc.load_model("models:/super-resolution/1").predict(x)
print(y.shape, y.dtype, float(abs(y.mean() - x.mean())) < 0.01)
"""


def test_a_stock_mlflow_serves_a_version(settings: Settings, tmp_path: Path) -> None:
    """A fresh process with pickle forbidden loads a version by its URI and gets twice the size."""
    found = subprocess.run(
        [sys.executable, "-c", LOAD, settings.tracking_uri],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
    )
    assert found.stdout == "(1, 3, 3, 32, 32) float32 True\n"
    assert not [p for p in settings.mlflow_artifacts.rglob("*") if p.suffix in {".pkl", ".pt"}]


def test_a_champion_is_promoted_and_rolled_back(settings: Settings) -> None:
    """The alias moves to the version that is set, and back through those that were before."""
    assert registry.champion_version(settings, NAME) is None
    with pytest.raises(NoChampionError) as caught:
        registry.resolve(settings, NAME)
    assert caught.value.command == "stillhouse promote super-resolution"
    with registry.promotion_lock(settings, NAME):
        for version in (1, 2, 2):
            registry.set_champion(settings, NAME, version)
    assert registry.champion(settings, NAME).version == 2
    assert registry.champion(settings, NAME).aliases == ("champion",)
    assert registry.resolve(settings, "models:/super-resolution@champion").version == 2
    assert registry.resolve(settings, "models:/super-resolution/1").aliases == ()
    assert registry.newest(settings, NAME) == 2
    assert registry.rollback(settings, NAME) == (2, 1)
    assert registry.champion_version(settings, NAME) == 1
    # What was taken back is not what a promotion takes by itself.
    assert registry.newest(settings, NAME) == 1
    with pytest.raises(NoChampionError, match="before this one"):
        registry.rollback(settings, NAME)
    with pytest.raises(ModelNotFoundError):
        registry.set_champion(settings, NAME, 77)


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("models:/super-resolution/0", UsageError),
        ("models:/a/b/c", UsageError),
        ("", UsageError),
        ("models:/super-resolution/99", ModelNotFoundError),
        ("models:/super-resolution@challenger", ModelNotFoundError),
        ("models:/unknown@champion", NoChampionError),
    ],
)
def test_a_name_that_is_no_model_says_why(
    settings: Settings, uri: str, error: type[Exception]
) -> None:
    """Malformed, unknown and unpromoted are three different answers."""
    with pytest.raises(error):
        registry.resolve(settings, uri)


def gate(name: str, value: float | None, *, passed: bool) -> dict[str, Any]:
    """One gate as promotion records it."""
    found = {"name": name, "value": value, "threshold": 0.0, "passed": passed, "bound": "above"}
    return found | {"interval": [0.25, 0.75] if value else None, "said": "six sessions"}


def test_gates_are_kept_with_the_version_they_judged(settings: Settings) -> None:
    """The newest verdict replaces the one before, in JSON and gate by gate; a table has both."""
    info = registry.version_info(settings, NAME, 2)
    first = [gate("beats_it", None, passed=False), gate("is_old", 1.0, passed=True)]
    registry.record_gates(settings, info, first)
    second = [gate("beats_it", 0.5, passed=True)]
    registry.record_gates(settings, registry.version_info(settings, NAME, 2), second, 1)
    info = registry.version_info(settings, NAME, 2)
    assert registry.recorded_gates(info) == second
    assert {k: v for k, v in info.tags.items() if k.startswith("gate.")} == {
        "gate.beats_it": "0.5 0 passed"
    }
    table = read_artifact_json(settings, info.run_id, "gates.json")
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    kept = [(row["champion"], row["name"], row["passed"], row["low"], row["said"]) for row in rows]
    assert kept == [
        ("nobody", "beats_it", False, None, "six sessions"),
        ("nobody", "is_old", True, 0.25, "six sessions"),
        ("v1", "beats_it", True, 0.25, "six sessions"),
    ]
    assert registry.recorded_gates(registry.version_info(settings, NAME, 1)) == []


def test_promotions_take_turns(settings: Settings) -> None:
    """Whoever comes second waits until the first has let go of the lock."""
    order: list[str] = []

    def second() -> None:
        with registry.promotion_lock(settings, NAME):
            order.append("second")

    with registry.promotion_lock(settings, NAME):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.3)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]


EMPTY = """
import sys
from pathlib import Path
from infra import registry
from infra.settings import Settings
settings = Settings(home=Path(sys.argv[1]))
print(registry.names(settings), registry.versions(settings, "m"))
print(registry.find_version(settings, "m", "k", "v"), registry.champion_version(settings, "m"))
print("mlflow" in sys.modules, settings.root.exists())
"""


def test_asking_an_empty_home_makes_nothing(tmp_path: Path) -> None:
    """Questions before the first run neither import MLflow nor create its store."""
    found = subprocess.run(
        [sys.executable, "-c", EMPTY, str(tmp_path / "home")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.splitlines() == ["[] []", "None None", "False False"]


def test_mlflow_says_nothing(first: tuple[Settings, subprocess.CompletedProcess[str]]) -> None:
    """A run from a new store to a registered version is silent on stdout and warns of nothing."""
    _, said = first
    assert said.stdout == ""
    assert "Warning" not in said.stderr
