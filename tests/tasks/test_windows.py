"""Windows of features: right values, honest masks, any number of readers, resumable."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from catalog.query import rows
from catalog.store import Catalog
from models.distiller import Distiller, Query
from models.distiller_config import PRESETS
from tasks.sessions.splits import HELDOUT, TRAIN
from tasks.views.catalogue import VIEWS
from tasks.views.current import view_versions
from tasks.views.packing import unpacked, values
from tasks.windows.reader import Batch, Position, WindowReader, WindowSpec
from tasks.windows.tensors import TENSORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Road

SMALL = WindowSpec(("rgb", "flow"), steps=4, stride=4)


def reader(road: Road, spec: WindowSpec = SMALL, split: str = TRAIN, **given: int) -> WindowReader:
    """Return a reader of small batches over the generated archive."""
    snapshot = Catalog(road.settings.catalog).snapshot()
    return WindowReader(
        snapshot,
        spec,
        split=split,
        versions=view_versions((), road.settings),
        step_ns=road.settings.grid_step_ns,
        batch=3,
        **given,
    )


def contents(batches: Iterator[Batch]) -> dict[tuple[str, str, int], str]:
    """Return a digest of each window that was read, by its ids."""
    found = {}
    for batch in batches:
        for k, ids in enumerate(batch.ids):
            whole = hashlib.sha256()
            for name in sorted(batch.tensors):
                tensor = batch.tensors[name][k]
                # Cameras that only fill up the batch depend on its other windows.
                cameras = (batch.tensors["t_ns"][k].any(axis=1)).sum() or 1
                whole.update(tensor[:cameras].tobytes())
            assert ids not in found
            found[ids] = whole.hexdigest()
    return found


def test_sessions_may_be_named_instead_of_a_split(road: Road) -> None:
    """Exactly those are read, of either split: a fold is not the catalog's division."""
    sides = {split: reader(road, split=split) for split in (TRAIN, HELDOUT)}
    known = {split: sorted({c.session_id for c in one.clips}) for split, one in sides.items()}
    chosen = frozenset({known[TRAIN][0], known[HELDOUT][-1]})
    found = WindowReader(
        Catalog(road.settings.catalog).snapshot(),
        SMALL,
        split=TRAIN,
        versions=view_versions((), road.settings),
        step_ns=road.settings.grid_step_ns,
        sessions=chosen,
    )
    assert {clip.session_id for clip in found.clips} == chosen
    apart = [c.clip_id for one in sides.values() for c in one.clips if c.session_id in chosen]
    assert sorted(apart) == sorted(clip.clip_id for clip in found.clips)
    assert {ids[0] for batch in found.read() for ids in batch.ids} == chosen


def test_every_window_has_the_tensors_of_the_contract(road: Road) -> None:
    """Shapes, dtypes and masks are as declared, with every camera of the clip."""
    spec = WindowSpec(tuple(TENSORS))
    for batch in reader(road, spec).read():
        size, cameras, steps = batch.tensors["t_ns"].shape
        assert (size, steps) == (len(batch.ids), spec.steps)
        for name, one in TENSORS.items():
            tensor, mask = batch.tensors[name], batch.tensors[f"mask_{name}"]
            around = [size]
            around += [] if one.shared else [cameras]
            around += [steps] if one.stepped else []
            assert tensor.shape == (*around, *one.shape)
            assert tensor.dtype == one.dtype
            assert mask.shape == tuple(around)
            assert not tensor[~mask].any(), name
        assert batch.tensors["camera"].shape == (size, cameras, 12)
        known = batch.tensors["camera_known"]
        assert not batch.tensors["camera"][~known].any()


def test_the_distiller_takes_windows_as_they_are_read(road: Road) -> None:
    """Batches of real rows become finite codes of every window, and pictures of a camera of it."""
    torch.manual_seed(0)
    net = Distiller(PRESETS["ci"]).eval()
    read = 0
    for batch in reader(road, WindowSpec(tuple(TENSORS))).read():
        windows = {name: torch.from_numpy(tensor) for name, tensor in batch.tensors.items()}
        query = Query(
            windows["camera"][:, 0], windows["camera_known"][:, 0], windows["t_ns"][:, 0, :2]
        )
        with torch.no_grad():
            frames, encoded = net(windows, query)
        assert frames.shape == (len(batch.ids), 2, 3, 64, 64)
        assert bool(frames.isfinite().all())
        assert bool(encoded.embedding.isfinite().all())
        assert torch.equal(encoded.t_ns, windows["t_ns"].amax(dim=1))
        assert bool(encoded.present[:, 0].all())
        read += len(batch.ids)
    assert read


def test_a_window_says_what_the_rows_say(road: Road) -> None:
    """Flow in a window is the stored flow of those steps through that camera."""
    batch = next(reader(road).read())
    (session_id, clip_id, first) = batch.ids[0]
    found = rows(
        Catalog(road.settings.catalog).snapshot(),
        "clip_features",
        {
            "views": ["flow"],
            "versions": [one["version"] for one in _versions(road, "flow")],
            "givens": [""],
            "clip_ids": [clip_id],
        },
    )
    for camera, row in enumerate(sorted(found, key=lambda one: one["camera_id"])):
        assert row["session_id"] == session_id
        stored = unpacked(VIEWS["flow"].spec, row)
        field = values(stored, 0)[first : first + SMALL.steps].clip(-20, 20)
        mask = stored.mask[first : first + SMALL.steps]
        assert np.array_equal(batch.tensors["mask_flow"][0, camera, : len(mask)], mask)
        assert np.allclose(batch.tensors["flow"][0, camera, : len(field)], field, atol=0.01)


def _versions(road: Road, view: str) -> list[dict[str, str]]:
    snapshot = Catalog(road.settings.catalog).snapshot()
    shown = rows(snapshot, "show_view_versions", {"limit": 99})
    return [row for row in shown if row["view"] == view]


def test_an_epoch_holds_every_window_once_in_an_order_of_its_own(road: Road) -> None:
    """Two epochs hold the same windows, in different order; an epoch again is the same."""
    one = [ids for batch in reader(road).read() for ids in batch.ids]
    again = [ids for batch in reader(road).read() for ids in batch.ids]
    other = [ids for batch in reader(road).read(Position(epoch=1)) for ids in batch.ids]
    assert one == again
    assert sorted(one) == sorted(other)
    assert one != other


def test_several_readers_read_what_one_reads(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers share an epoch without talking: together the same windows, none twice."""
    monkeypatch.setattr("tasks.windows.reader.RUN_CAMERA_CLIPS", 4)
    monkeypatch.setattr("tasks.windows.reader.RUNS", 1)
    whole = contents(reader(road).read())
    parts = [contents(reader(road, worker=k, workers=2).read()) for k in range(2)]
    assert all(parts)
    assert not parts[0].keys() & parts[1].keys()
    assert parts[0] | parts[1] == whole


def test_reading_goes_on_where_it_stopped(road: Road) -> None:
    """From the position of any batch on, exactly the rest of the epoch comes."""
    batches = list(reader(road).read())
    assert len(batches) > 2
    for stop in (0, len(batches) // 2):
        rest = [ids for batch in reader(road).read(batches[stop].position) for ids in batch.ids]
        assert rest == [ids for batch in batches[stop + 1 :] for ids in batch.ids]
    assert batches[-1].position == Position(epoch=1)


def test_splits_are_apart(road: Road) -> None:
    """No session is read on both sides."""
    sides = [
        {session for batch in reader(road, split=split).read() for session, _, _ in batch.ids}
        for split in (TRAIN, HELDOUT)
    ]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]


def test_a_tensor_that_is_not_of_the_contract_is_refused(road: Road) -> None:
    """The caller is told what there is."""
    with pytest.raises(ValueError, match="rgb"):
        reader(road, WindowSpec(("smell",)))
