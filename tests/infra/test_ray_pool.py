"""What becomes of work on Ray: pools of actors, isolated items and streams, whoever dies."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.errors import ComputeUnavailableError, MediaError
from infra.ray_cluster import (
    Finished,
    Lost,
    map_batches,
    map_batches_again,
    map_isolated,
    stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.settings import Settings

POISON, HANG, REFUSE = -1, -2, -3


class Doubler:
    """Doubles numbers; dies of poison, hangs, or refuses as it is told."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def run(self, item: int) -> tuple[int, int]:
        """Return the double and the process that made it."""
        return 2 * behave(item) + self.offset, os.getpid()


class Pair(Doubler):
    """One of two that double numbers; neither begins before the other is there."""

    def __init__(self, offset: int, folder: str) -> None:
        super().__init__(offset)
        self.folder = Path(folder)
        (self.folder / str(os.getpid())).touch()

    def run(self, item: int) -> tuple[int, int]:
        """Wait for the other, then double."""
        until = time.monotonic() + 60
        while len(list(self.folder.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        return super().run(item)


class Summer:
    """Sums a batch, or dies of one in it."""

    def run(self, items: list[int]) -> int:
        """Return the sum."""
        return sum(map(behave, items))


class Stillborn:
    """Cannot be built."""

    def __init__(self, how: str) -> None:
        if how == "dies":
            os._exit(1)
        raise MediaError("no model in that folder", reason="no_model")

    def run(self, item: int) -> int:
        """Never called."""
        return item


def behave(item: int) -> int:
    """Do what the number says."""
    if item == POISON:
        os._exit(7)
    if item == HANG:
        # Native code that never gives the interpreter's lock back.
        sum(range(10**15))
    if item == REFUSE:
        raise PermissionError(13, "Permission denied", "/archive/a.mp4")
    time.sleep(0.05)
    return item


def killed_at_first(path: str) -> int:
    """Be killed at the first attempt, as anyone may do from outside; done at the second."""
    attempts = Path(path)
    with attempts.open("ab") as file:
        file.write(b".")
    if attempts.stat().st_size == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempts.stat().st_size


def ends_badly(path: str) -> int:
    """Note the attempt, then do what the file is named after."""
    with Path(path).open("ab") as file:
        file.write(b".")
    return behave({"poison": POISON, "hang": HANG}[Path(path).stem])


class KilledAtFirst:
    """An actor whose first process is killed while it starts."""

    def __init__(self, path: str) -> None:
        killed_at_first(path)

    def run(self, item: int) -> int:
        """Return it."""
        return item


def count(until: int) -> Iterator[int]:
    """Count, slowly enough to be watched; refuse at 20."""
    for k in range(until):
        if k == 20:
            raise MediaError("enough", reason="limit")
        yield k
        time.sleep(0.05)


def die(after: int) -> Iterator[int]:
    """Yield, then die."""
    yield from range(after)
    os._exit(3)


@pytest.mark.usefixtures("ray_local")
def test_every_batch_comes_back_from_a_pool_of_actors(tmp_path: Path) -> None:
    """Forty items through two actors with two threads each: every one once, from two processes."""
    worker, items = (1, str(tmp_path)), iter(range(40))
    found = list(map_batches(Pair, worker, items, actors=2, threads=2, cpus_per_actor=1))
    assert all(isinstance(one, Finished) for one in found)
    assert sorted((one.item, one.result[0]) for one in found if isinstance(one, Finished)) == [
        (k, 2 * k + 1) for k in range(40)
    ]
    assert len({one.result[1] for one in found if isinstance(one, Finished)}) == 2


@pytest.mark.usefixtures("ray_local")
def test_no_more_is_taken_than_the_actors_have_in_hand() -> None:
    """The source is read only as results are used: at most actors x threads ahead of them."""
    taken = 0

    def source() -> Iterator[int]:
        nonlocal taken
        for k in range(20):
            taken += 1
            yield k

    results = map_batches(Doubler, (0,), source(), actors=1, threads=2, cpus_per_actor=1)
    for done, _ in enumerate(results):
        assert taken <= done + 2 + 1
    assert taken == 20


@pytest.mark.usefixtures("ray_local")
def test_poison_costs_its_own_batch_and_the_job_goes_on() -> None:
    """Two batches that kill their process are lost, each once; the other eighteen are done."""
    items = [*range(9), POISON, *range(9, 18), POISON]
    found = list(map_batches(Doubler, (0,), items, actors=1, cpus_per_actor=1))
    lost = [one for one in found if isinstance(one, Lost)]
    assert [(one.item, one.reason) for one in lost] == [(POISON, "worker_crashed")] * 2
    done = sorted(one.item for one in found if isinstance(one, Finished))
    assert done == list(range(18))


@pytest.mark.usefixtures("ray_local")
def test_poison_among_threads_loses_only_what_was_in_hand() -> None:
    """With two threads a death takes at most one neighbour along, and every item is accounted."""
    items = [0, 1, POISON, *range(2, 12)]
    found = list(map_batches(Doubler, (0,), items, actors=1, threads=2, cpus_per_actor=2))
    assert Counter(one.item for one in found) == Counter(items)
    lost = [one.item for one in found if isinstance(one, Lost)]
    assert POISON in lost
    assert len(lost) <= 2


@pytest.mark.usefixtures("ray_local")
def test_a_batch_that_hangs_is_given_up_at_its_deadline() -> None:
    """An actor that is busy with one item for too long is replaced."""
    began = time.monotonic()
    found = list(
        map_batches(Doubler, (0,), [1, HANG, 2], actors=1, cpus_per_actor=1, timeout_s=1.5)
    )
    assert Lost(HANG, "worker_timeout") in found
    assert sorted(one.item for one in found if isinstance(one, Finished)) == [1, 2]
    assert time.monotonic() - began < 40


@pytest.mark.usefixtures("ray_local")
def test_what_the_work_raises_arrives_as_it_was() -> None:
    """Errors of the constructor and of `run` keep their class and facts and end the job."""
    with pytest.raises(PermissionError) as refused:
        list(map_batches(Doubler, (0,), [1, REFUSE, 2], actors=1))
    assert (refused.value.errno, refused.value.filename) == (13, "/archive/a.mp4")
    with pytest.raises(MediaError) as stillborn:
        list(map_batches(Stillborn, ("raises",), [1, 2], actors=2, cpus_per_actor=1))
    assert stillborn.value.reason == "no_model"
    with pytest.raises(ComputeUnavailableError, match="while it started"):
        list(map_batches(Stillborn, ("dies",), [1, 2], actors=1))


@pytest.mark.usefixtures("ray_local")
def test_more_cores_than_there_are_do_not_wait_for_ever() -> None:
    """A pool that asks for sixteen actors of eight cores each gets what two cores can carry."""
    found = list(map_batches(Doubler, (0,), [1, 2, 3], actors=16, cpus_per_actor=8))
    assert len(found) == 3
    assert list(map_batches(Doubler, (0,), [], actors=1)) == []


@pytest.mark.usefixtures("ray_local")
def test_each_isolated_item_has_its_own_fate() -> None:
    """One item crashes, one hangs in native code until its deadline, the rest are done."""
    began = time.monotonic()
    items = [1, POISON, 2, HANG, 3, 4]
    found = {one.item: one for one in map_isolated(behave, items, timeout_s=1.5, concurrency=2)}
    assert found[POISON] == Lost(POISON, "decoder_crashed")
    assert found[HANG] == Lost(HANG, "decode_timeout")
    assert [found[k] for k in (1, 2, 3, 4)] == [Finished(k, k) for k in (1, 2, 3, 4)]
    assert time.monotonic() - began < 40


@pytest.mark.usefixtures("ray_local")
def test_an_item_whose_process_was_killed_is_tried_again(tmp_path: Path) -> None:
    """Who kills a worker costs no innocent file: each is done by its second process."""
    items = [str(tmp_path / name) for name in "abc"]
    found = {
        one.item: one for one in map_isolated(killed_at_first, items, timeout_s=30, concurrency=2)
    }
    assert found == {item: Finished(item, 2) for item in items}


@pytest.mark.usefixtures("ray_local")
def test_a_batch_that_killed_its_worker_is_tried_again_item_by_item() -> None:
    """Only the poison is lost, alone; its neighbours and the other batch come back."""
    found = list(map_batches_again(Summer, (), [[1, POISON, 2], [3, 4]], actors=2))
    assert [one.item for one in found if isinstance(one, Lost)] == [[POISON]]
    done = sorted((one.item, one.result) for one in found if isinstance(one, Finished))
    assert done == [([1], 1), ([2], 2), ([3, 4], 7)]


@pytest.mark.usefixtures("ray_local")
def test_a_bad_item_costs_as_many_processes_as_it_may(tmp_path: Path) -> None:
    """One that crashes is lost after its last attempt; one that hangs has one deadline, not two."""
    for name, attempts, processes, reason in (
        ("poison.1", 1, 1, "decoder_crashed"),
        ("poison.2", 2, 2, "decoder_crashed"),
        ("hang", 2, 1, "decode_timeout"),
    ):
        item = str(tmp_path / name)
        lost = map_isolated(ends_badly, [item], timeout_s=2, concurrency=2, attempts=attempts)
        assert list(lost) == [Lost(item, reason)]
        assert Path(item).stat().st_size == processes


@pytest.mark.usefixtures("ray_local")
def test_an_actor_that_is_killed_while_it_starts_is_replaced(tmp_path: Path) -> None:
    """Once: its successor does the work."""
    path = tmp_path / "started"
    found = list(map_batches(KilledAtFirst, (str(path),), [1, 2], actors=1))
    assert sorted(one.item for one in found if isinstance(one, Finished)) == [1, 2]
    assert path.stat().st_size == 2


@pytest.mark.usefixtures("ray_local")
def test_a_deadline_ends_with_its_item() -> None:
    """A process is used again after an item that ended in time, and is not killed later."""
    found = list(map_isolated(behave, [0] * 60, timeout_s=2, concurrency=1))
    assert found == [Finished(0, 0)] * 60


@pytest.mark.usefixtures("ray_local")
def test_an_isolated_item_that_may_not_be_read_ends_the_job() -> None:
    """Permission is no fault of the file's format: the error is raised here, with its number."""
    with pytest.raises(PermissionError, match="Permission denied"):
        list(map_isolated(behave, [1, REFUSE], timeout_s=5, concurrency=2))


def test_a_stream_yields_while_it_works(ray_local: Settings) -> None:
    """Values arrive as they are made; an error of the work comes after the values before it."""
    began = time.monotonic()
    values = stream(count, 50, ray_local)
    assert next(values) == 0
    assert time.monotonic() - began < 20
    rest = []
    with pytest.raises(MediaError, match="enough"):
        rest.extend(values)
    with pytest.raises(ComputeUnavailableError, match="process of die died"):
        list(stream(die, 2, ray_local))


def test_a_stream_that_is_left_ends_its_process(ray_local: Settings) -> None:
    """Whoever stops listening gets the cores back: the next stream starts at once."""
    first = stream(count, 19, ray_local)
    assert next(first) == 0
    first.close()  # type: ignore[attr-defined]
    began = time.monotonic()
    assert next(stream(count, 2, ray_local)) == 0
    assert time.monotonic() - began < 20
