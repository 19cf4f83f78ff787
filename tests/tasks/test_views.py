"""What every view promises, asked of every view there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from infra.errors import AssetMissingError, UnknownViewError
from models.depth import DepthNet
from models.weights import save
from tasks.recordings.sound import Sound
from tasks.recordings.words import Words
from tasks.views.catalogue import VIEWS, named_views
from tasks.views.packing import packed, unpacked
from tasks.views.version import source_parts, view_version
from tasks.views.view import DecodedClip, View, ViewKind, quantise

STEPS = 9


def clip(kind: ViewKind, steps: int = STEPS, seed: int = 0) -> DecodedClip:
    """Return a clip of a texture that slides by two pixels a step, in the sizes a view wants."""
    texture = np.random.default_rng(seed).integers(0, 256, (420, 420), np.uint8)
    smooth = (texture.astype(int) + np.roll(texture, 1, 0) + np.roll(texture, 1, 1)) // 3
    images = {}
    for scale in kind.spec.scales:
        frames = [smooth[20 : 20 + scale.height, 2 * k : 2 * k + scale.width] for k in range(steps)]
        stack = np.stack(frames).astype(np.uint8)
        if scale.format == "gray16":  # which no common recording is stored as
            images[scale.name] = np.zeros((*stack.shape, 2), np.uint8)
        else:
            images[scale.name] = stack if scale.format == "gray" else np.stack([stack] * 3, -1)
    times = np.arange(steps, dtype=np.int64) * 80_000_000
    sound = hum(steps, seed) if kind.spec.sound else None
    words = Words(about=(f"number {seed}",)) if kind.spec.words else None
    return DecodedClip(times, np.ones(steps, bool), images, (320, 320), sound, words)


def hum(steps: int, seed: int) -> Sound:
    """Return noise that swells, with half a second before the first step."""
    count = 8000 + 1280 * steps + 640
    noise = np.random.default_rng(seed).normal(0, 0.1, 8000 + 1280 * 99)[:count]
    samples = (noise * (1.1 + np.sin(np.arange(count) / 4000))).astype(np.float32)
    return Sound(samples, np.ones(count, bool), 8000 + 1280 * np.arange(steps))


@pytest.fixture(scope="module", params=list(VIEWS))
def kind(request: pytest.FixtureRequest) -> ViewKind:
    """Each view there is."""
    return VIEWS[request.param]


@pytest.fixture(scope="module")
def view(kind: ViewKind, weights: Path) -> View:
    """The view loaded, as a worker does."""
    digests = {kind.spec.model: placed_model(weights)} if kind.spec.model else {}
    kind.prepare(weights, digests)
    return kind.load(weights, 2, digests)


def placed_model(assets: Path) -> str:
    """Put an untrained depth network where the champion's files lie; return its digest."""
    net = DepthNet()
    net.init_weights(torch.Generator().manual_seed(2))
    digest = save(assets / "new", net)
    (assets / "models" / "depth").mkdir(parents=True, exist_ok=True)
    (assets / "new").rename(assets / "models" / "depth" / digest)
    return digest


def test_features_have_the_declared_shape(kind: ViewKind, view: View) -> None:
    """Every array is T times its declared shape, in its declared type, with one scale."""
    found = view.compute(clip(kind))
    assert len(found.arrays) == len(found.scales) == len(kind.spec.arrays)
    for array, spec in zip(found.arrays, kind.spec.arrays, strict=True):
        assert array.shape == (STEPS, *spec.shape)
        assert array.dtype == np.dtype(spec.dtype)


def test_equal_clips_give_equal_features(kind: ViewKind, view: View) -> None:
    """The same pictures give the same bytes, computed again or by a view loaded anew."""
    one, again = view.compute(clip(kind)), view.compute(clip(kind))
    assert all(np.array_equal(a, b) for a, b in zip(one.arrays, again.arrays, strict=True))


def test_a_step_does_not_depend_on_how_long_its_clip_is(kind: ViewKind, view: View) -> None:
    """The values of the first steps are those of a shorter clip, to half a stored level."""
    long, short = view.compute(clip(kind, 33)), view.compute(clip(kind, 5))
    pairs = zip(long.arrays, long.scales, short.arrays, short.scales, strict=True)
    for a, scale_a, b, scale_b in pairs:
        steps = 4  # the last step of a clip has no next: flow masks it
        difference = np.abs(a[:steps] * scale_a - b[:steps] * scale_b).max()
        assert difference <= (scale_a + scale_b) / 2 * 1.01


def test_an_absent_step_is_masked_not_made_up(kind: ViewKind, view: View) -> None:
    """Where no frame was shown the mask is False and the values are zero."""
    whole = clip(kind)
    present = whole.present.copy()
    present[3] = False
    found = view.compute(replace(whole, present=present))
    assert not found.mask[3]
    assert all(not array[3].any() for array in found.arrays)
    assert found.mask[0] or found.absent


def test_a_clip_of_one_frame_is_described_or_masked(kind: ViewKind, view: View) -> None:
    """One step is enough for a view of pictures and not for one of motion; neither fails."""
    found = view.compute(clip(kind, 1))
    assert len(found.mask) == 1


def test_where_nothing_is_usable_it_is_said(kind: ViewKind, view: View) -> None:
    """A clip in which no frame is shown is masked, with the reason, and takes no room."""
    whole = clip(kind)
    found = view.compute(replace(whole, present=np.zeros(STEPS, bool)))
    assert not found.mask.any()
    assert found.absent
    assert packed(kind.spec, found)["data"] == b""


def test_a_feature_comes_back_from_its_row(kind: ViewKind, view: View) -> None:
    """Packed and unpacked it is the same, but for pictures that are stored as JPEG."""
    found = view.compute(clip(kind))
    again = unpacked(kind.spec, packed(kind.spec, found))
    assert np.array_equal(again.mask, found.mask)
    assert (again.scales, again.absent) == (found.scales, found.absent)
    assert (again.vector is None) == (found.vector is None)
    for spec, a, b in zip(kind.spec.arrays, found.arrays, again.arrays, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        off = np.abs(a.astype(np.float32) - b.astype(np.float32))
        assert off.mean() <= (6 if spec.coding == "jpeg" else 0)


def test_a_view_can_be_looked_at(kind: ViewKind, view: View) -> None:
    """Drawing gives an rgb picture with something in it."""
    picture = view.draw(view.compute(clip(kind)), 2)
    assert picture.dtype == np.uint8
    assert picture.shape[-1] == 3
    assert picture.std() > 0


def test_the_version_changes_with_whatever_can_change_the_feature(kind: ViewKind) -> None:
    """Parameters, weights and decoder each have their say; nothing else does."""
    names = [*kind.spec.assets, *([kind.spec.model] if kind.spec.model else [])]
    weights = dict.fromkeys(names, "aa")
    version = view_version(kind, weights, "decoder 1")
    assert version == view_version(kind, dict(weights), "decoder 1")
    assert version != view_version(kind, weights, "decoder 2")
    spec = replace(kind.spec, parameters={**kind.spec.parameters, "side": 96})
    assert version != view_version(type(kind)(spec), weights, "decoder 1")
    if weights:
        assert version != view_version(kind, dict.fromkeys(names, "bb"), "decoder 1")


def test_a_views_source_is_its_own_and_all_it_uses(kind: ViewKind) -> None:
    """The decoder is part of every view's source; another view is not."""
    modules = {part.split(":")[0] for part in source_parts(type(kind).__module__)}
    assert {"tasks.decode", "tasks.views.view", type(kind).__module__} <= modules
    others = {type(other).__module__ for other in VIEWS.values()} - {type(kind).__module__}
    assert not modules & others


def test_flow_is_how_far_the_picture_moved() -> None:
    """A texture that slides to the left by two of 224 pixels has a flow of (-1, 0) of 112."""
    kind = VIEWS["flow"]
    found = kind.load(Path(), 1, {}).compute(clip(kind))
    field = found.arrays[0][:-1].astype(float) * found.scales[0]
    assert np.median(field[:, 0]) == pytest.approx(-1, abs=0.25)
    assert np.median(field[:, 1]) == pytest.approx(0, abs=0.25)


def test_a_missing_asset_names_the_command_that_brings_it(tmp_path: Path) -> None:
    """No asset, no view: the error says what to run."""
    with pytest.raises(AssetMissingError) as refused:
        VIEWS["appearance"].prepare(tmp_path, {})
    assert refused.value.command == "stillhouse assets fetch mobilenetv2"


def test_an_unknown_view_is_refused_with_those_there_are() -> None:
    """The message lists what could have been meant."""
    with pytest.raises(UnknownViewError, match="thumbnail, appearance, flow, audio, text"):
        named_views(["smell"])


def test_quantising_loses_at_most_half_a_level() -> None:
    """int8 times its scale is the value, to half a scale, and zeros stay zeros."""
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    stored, scale = quantise(values)
    assert np.abs(stored * scale - values).max() <= scale / 2 * 1.001
    assert quantise(np.zeros(3, np.float32)) == (pytest.approx(np.zeros(3)), 1.0)
