from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from infra.errors import (
    MissingBaselineError,
    RendererMissingError,
    TrainingDivergedError,
    UnknownModelError,
)
from infra.settings import Settings
from tasks.depth.evaluate import evaluate_depth
from tasks.depth.evaluation import BASELINES, MODEL, DepthEvaluation, DepthScore
from tasks.depth.presets import PRESETS, DepthPreset, depth_preset_named
from tasks.depth.recipe import DepthRecipe
from tasks.depth.scenes import DepthViews, render_views
from tasks.depth.scores import depth_errors, fitted, judged, plane_at_median, ramp
from tasks.depth.train import draw_batch, render_training, train_depth
from tasks.synthetic.rendering import _engine
from tasks.training.recipe import DistillPlan, Work
from tasks.training.recipes import recipe_named
from tasks.training.schedule import finished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.training.of_pictures import Trained

TINY = DepthPreset("tiny", steps=8, world_scenes=2, engine_scenes=0, views=2, batch=4)
TINY = dataclasses.replace(TINY, channels=(16, 16, 16, 16), report_every=5)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slowed down by threads that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def views() -> DepthViews:
    """Four pictures of two scenes."""
    return DepthViews.joined(render_training(TINY))


def trained(views: DepthViews, preset: DepthPreset = TINY) -> Trained:
    return finished(train_depth(views, preset, threads=1))


def test_equal_seeds_give_equal_weights(views: DepthViews) -> None:
    """Bit for bit, norms' statistics included; another seed gives others."""
    a, b = trained(views), trained(views)
    assert a.losses == b.losses
    assert all(torch.equal(a.state[k], b.state[k]) for k in a.state)
    assert trained(views, dataclasses.replace(TINY, seed=1)).losses != a.losses


def test_a_diverging_run_stops_and_says_where(views: DepthViews) -> None:
    """An absurd learning rate ends in an error, not in a model of NaN."""
    mad = dataclasses.replace(TINY, learning_rate=1e20, clip_norm=1e30, warmup_share=0.0, steps=40)
    with pytest.raises(TrainingDivergedError, match="of 40, learning rate"):
        trained(views, mad)


def test_mirrored_pictures_have_mirrored_truth(views: DepthViews) -> None:
    """Whatever the colours become, cells stay with what they show."""
    marked = DepthViews(views.rgb[:1].copy(), views.inverse[:1].copy(), views.scenes[:1])
    marked.rgb[:], marked.inverse[:] = 0, 0
    marked.rgb[0, :, :56], marked.inverse[0, :, :14] = 255, 1
    rgb, truth = draw_batch(marked, 64, np.random.default_rng(0), torch.Generator().manual_seed(0))
    light = torch.nn.functional.avg_pool2d(rgb.mean(dim=1, keepdim=True), 4)
    left = truth[:, 0, 14, 2] == 1
    assert 0 < left.sum() < 64
    assert torch.equal(light[:, 0, 14, 2] > light[:, 0, 14, 25], left)


def test_scenes_are_split_by_number() -> None:
    """Training scenes of two seeds do not meet, and never come near the held-out ones."""
    first, second = (
        {int(n) for part in render_training(preset) for n in part.scenes}
        for preset in (TINY, dataclasses.replace(TINY, seed=1))
    )
    assert first == {0, 1}
    assert not first & second
    largest = max(preset.scenes for preset in PRESETS.values())
    assert 100 * largest < 1 << 21


def test_errors_of_depth_are_known_numbers() -> None:
    """Twice as far is 1.0 relative; scale and shift are fitted away; sky is not judged."""
    truth = np.array([[0.5, 0.25, 0.1, 0.0]])
    assert depth_errors(truth / 2, truth) == (pytest.approx(1.0), 0.0)
    assert depth_errors(truth, truth) == (pytest.approx(0.0), 1.0)
    assert depth_errors(fitted(truth * 9 + 3, truth), truth)[0] == pytest.approx(0, abs=1e-9)
    assert judged(truth).tolist() == [[True, True, True, False]]
    assert plane_at_median(truth)[0, 0] == pytest.approx(0.25)
    assert np.isnan(depth_errors(truth, np.zeros_like(truth))[0])
    lower = np.linspace(0.1, 1, 28)[:, None].repeat(28, axis=1)
    assert depth_errors(ramp(lower), lower)[0] == pytest.approx(0, abs=1e-9)


def scores(model: float, plane: float = 0.4, slope: float = 0.3) -> DepthEvaluation:
    found = zip((MODEL, *BASELINES), (model, plane, slope), strict=True)
    return DepthEvaluation(
        tuple(DepthScore("world", 1, name, 4, value, 0.5) for name, value in found)
    )


@pytest.mark.parametrize(
    ("model", "champion", "failed"),
    [
        (0.2, None, []),
        (0.2, 0.2, []),
        (0.35, None, ["abs_rel_under_ramp"]),
        (0.4, 0.3, ["abs_rel_under_plane", "abs_rel_under_ramp", "abs_rel_under_champion"]),
    ],
)
def test_gates_ask_for_both_baselines_and_the_champion(
    model: float, champion: float | None, failed: list[str]
) -> None:
    """Better than the plane and the ramp (a tie is none), no worse than the champion."""
    gates = DepthRecipe().gates(scores(model), None if champion is None else scores(champion))
    assert [gate.name for gate in gates if not gate.passed] == failed


def test_no_evaluation_without_its_baselines() -> None:
    """Nor from JSON; and it says what it may not be believed for."""
    found = scores(0.2)
    assert DepthEvaluation.from_json(found.to_json()) == found
    assert "rendered scenes alone" in found.remarks()[0]
    assert any("no better than the ramp" in said for said in scores(0.3).remarks())
    with pytest.raises(MissingBaselineError, match="no score for ramp"):
        DepthEvaluation(found.scores[:2])
    assert not set(found.baseline_metrics()) & set(found.model_metrics())


def test_an_unknown_model_is_refused_with_those_there_are() -> None:
    """The message lists them; presets of depth are its own."""
    with pytest.raises(UnknownModelError, match=r"super-resolution, .*distiller, depth"):
        recipe_named("smell")
    assert depth_preset_named("ci").engine_scenes == 0  # it needs no optional package


def test_without_pybullet_only_our_own_renderer_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Preset ci goes on and is judged on what there is; laptop says what to install."""
    with_both = DepthRecipe().plan("ci", SimpleNamespace())  # type: ignore[arg-type]  # not read
    monkeypatch.setitem(sys.modules, "pybullet", None)
    alone = DepthRecipe().plan("ci", SimpleNamespace())  # type: ignore[arg-type]
    assert alone.material == ("world",)
    assert "world" in with_both.material
    with pytest.raises(RendererMissingError) as refused:
        DepthRecipe().plan("laptop", SimpleNamespace())  # type: ignore[arg-type]
    assert refused.value.command == "pip install 'stillhouse[render]'"
    _engine.cache_clear()
    with pytest.raises(RendererMissingError):
        render_views("engine", [1], 1)


def planned(preset: DepthPreset) -> DistillPlan:
    """A plan of this preset, judged on our own renderer."""
    plan = DepthRecipe().plan("ci", SimpleNamespace())  # type: ignore[arg-type]  # not read
    return dataclasses.replace(plan, preset=preset, material=("world",))


def test_the_recipe_makes_a_model_that_can_be_judged(tmp_path: Path) -> None:
    """Progress counts scenes and steps; the result has weights, evaluation and a picture."""
    work = Work(planned(TINY), Settings(home=tmp_path, cpus=1), str(tmp_path / "model"))
    *steps, last = DepthRecipe().make(work)
    result: dict[str, Any] = last["result"]
    assert [one["step"] for one in steps] == [2, 7, 10]
    assert sorted(p.name for p in Path(work.folder).iterdir()) == [
        "config.json",
        "weights.safetensors",
    ]
    evaluation = DepthRecipe().read(result["evaluation"])
    assert evaluation.renderers == ("world",)
    assert result["picture"].shape == (3 * 112, 6 * 112, 3)
    assert len(result["losses"]) == TINY.steps


@pytest.mark.long
def test_the_ci_preset_beats_the_plane_on_its_own_renderer() -> None:
    """In under a minute of one core: abs-rel below the plane's and the ramp's on new scenes."""
    preset = PRESETS["ci"]
    found = trained(DepthViews.joined(render_training(preset)), preset)
    heldout = render_views("world", range(1 << 20, (1 << 20) + 12), 3)
    evaluation = evaluate_depth(found.model(), {"world": heldout})
    assert evaluation.gain_over("plane") > 0.1
    assert evaluation.gain_over("ramp") > 0.03
