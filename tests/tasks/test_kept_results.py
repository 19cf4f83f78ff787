"""A trained model is in home until MLflow has it, and everything of it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from registered_models import kept_depth

from infra import registry
from infra.errors import ModelInvalidError, NothingKeptError, TrackingUnavailableError
from infra.past_runs import read_artifact_json, run_facts, run_metrics
from infra.settings import Settings
from infra.tracking import client
from tasks.runs.health import examine
from tasks.runs.record import FlowRun
from tasks.training.distill import send_kept
from tasks.training.kept_results import forget, kept_result, kept_results, picture_of, plan_folder
from tasks.training.registration import send

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose registry these tests share: a new one takes 3 s."""
    return Settings(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(autouse=True)
def _nothing_kept(settings: Settings) -> Iterator[None]:
    yield
    for kept in kept_results(settings):
        forget(settings, kept.key)


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    """Every field and the picture; a folder that lacks a file, or is another's, is no result."""
    settings = Settings(home=tmp_path)
    kept = kept_depth(settings, "key-1")
    assert kept_result(settings, "key-1") == kept
    assert picture_of(settings, kept).tolist() == np.full((8, 16, 3), (250, 10, 60)).tolist()
    assert kept_results(settings) == [kept]
    assert kept_result(settings, "key-2") is None
    plan_folder(settings, "key-1").rename(plan_folder(settings, "key-2"))
    assert kept_result(settings, "key-2") is None
    kept_depth(settings, "key-3")
    (plan_folder(settings, "key-3") / "weights.safetensors").unlink()
    assert kept_results(settings) == []


def test_kept_results_are_sent_once_with_all_they_say(settings: Settings) -> None:
    """Parameters, tags, curves with their times, artifacts; then the folder is gone."""
    for key in ("key-1", "key-22"):
        kept_depth(settings, key)
    (plan_folder(settings, "key-1") / "checkpoint-0.safetensors").write_bytes(b"of the trainer")
    run = FlowRun("distill", settings)
    found = send_kept.fn(run)
    assert [one["version"] for one in found["sent"]] == [1, 2]
    assert (found["version"], run.ledger.inputs, run.ledger.done) == (2, 2, 2)
    assert not list(plan_folder(settings, "x").parent.glob("*/"))
    info = registry.version_info(settings, "depth", 1)
    folder = registry.download(settings, info)
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "weights.safetensors"]
    facts, metrics = run_facts(settings, info.run_id), run_metrics(settings, info.run_id)
    assert facts.params == {"seed": "0", "name": "tiny"}
    assert list(facts.inputs) == ["clips"]
    for name in ("snapshot_id", "package_version", "torch", "cpu_flags", "threads", "preset"):
        assert facts.tags[name], name
    assert facts.tags["weights_digest"] == info.digest
    assert metrics["train.gradient"] == 0.25
    assert metrics["waited_share"] == 0.01
    memory = client(settings).get_metric_history(info.run_id, "system/rss_megabytes")
    assert [(one.timestamp, one.value) for one in memory] == [(1_000, 90.0), (3_000, 100.0)]
    assert read_artifact_json(settings, info.run_id, "trained_on.json") == []
    with pytest.raises(NothingKeptError):
        send_kept.fn(FlowRun("distill", settings))


def test_what_the_registry_has_already_is_only_forgotten(settings: Settings) -> None:
    """A run that was cut off after registering costs no second version."""
    version, is_new = send(settings, kept_depth(settings, "sent"))
    assert is_new
    assert send(settings, kept_depth(settings, "sent")) == (version, False)
    assert kept_results(settings) == []
    assert registry.versions(settings, "depth")[-1].version == version


def test_damaged_weights_are_no_version(settings: Settings) -> None:
    """What was changed since it was kept does not load, and stays for whoever looks."""
    kept = kept_depth(settings, "damaged")
    before = len(registry.versions(settings, "depth"))
    file = plan_folder(settings, "damaged") / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelInvalidError, match="it was changed"):
        send(settings, kept)
    assert len(registry.versions(settings, "depth")) == before
    assert kept_results(settings) == [kept]


def test_without_a_server_everything_is_kept_and_the_doctor_says_how_to_send_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error and the doctor name the command; with a store that answers it succeeds."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = Settings(home=settings.home, mlflow_tracking_uri="http://127.0.0.1:9")
    kept = kept_depth(away, "unsent")
    with pytest.raises(TrackingUnavailableError, match=r"kept in .*unsent") as caught:
        send(away, kept)
    assert caught.value.command == "stillhouse distill --resume"
    assert kept_results(away) == [kept]
    checks = {check["name"]: check for check in examine(away)}
    assert checks["trained models"]["fix"] == "stillhouse distill --resume"
    assert "depth (tiny)" in checks["trained models"]["detail"]
    assert not checks["mlflow"]["ok"]
    assert not checks["champion"]["ok"]
    assert send(settings, kept)[1]
    checks = {check["name"]: check for check in examine(settings)}
    assert checks["trained models"]["ok"]
    assert checks["mlflow"]["ok"]
