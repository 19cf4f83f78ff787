"""The energy of a clip's codes: equal to decoding it all, to the coder's bytes, batch or not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from models.code_energy import BYTE_WEIGHT, HEADER_BYTES, CodeEnergy, Target, joined
from models.code_moves import RandomMoves, changed
from models.codec import Symbols
from models.distiller import Distiller, Query
from models.distiller_config import PRESETS
from models.refinement import METHODS, OFFERED, chosen, refine

if TYPE_CHECKING:
    from models.code_moves import Ints

WINDOWS, CAMERAS, STEPS = 3, 2, 4
SIZE = 256 + 256 + 128
TINY = replace(PRESETS["ci"], side=32, latents=4, semantic=4, decoder=48)


def target_for(side: int, seed: int = 0) -> Target:
    """Smooth pictures that no code of a drawn network shows; the last window has two only."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(WINDOWS * CAMERAS * STEPS, 3, 4, 4, generator=generator)
    pictures = torch.nn.functional.interpolate(small, size=(side, side), mode="bilinear")
    usable = torch.ones(WINDOWS, CAMERAS, STEPS, dtype=torch.bool)
    usable[2, :, 1:] = False
    return Target(
        truth=(pictures * 255).to(torch.uint8).view(WINDOWS, CAMERAS, STEPS, 3, side, side),
        usable=usable,
        camera=torch.randn(WINDOWS, CAMERAS, 12, generator=generator),
        known=torch.ones(WINDOWS, CAMERAS, dtype=torch.bool),
        slot=torch.arange(CAMERAS).expand(WINDOWS, CAMERAS),
        t_ns=(torch.arange(STEPS) * 80_000_000).expand(WINDOWS, STEPS),
    )


def start_of(net: Distiller, seed: int = 0) -> Symbols:
    """Codes as an encoder might give them, most symbols small."""
    c, generator = net.config, torch.Generator().manual_seed(seed)
    shapes = (
        (WINDOWS, c.latents, c.semantic),
        (WINDOWS, c.key, c.cells, c.cells),
        (WINDOWS, STEPS, c.step, c.cells // 2, c.cells // 2),
    )
    return Symbols(*((torch.randn(*s, generator=generator) * 1.5).round() for s in shapes))


@pytest.fixture
def problem(net: Distiller) -> CodeEnergy:
    """Three windows of two cameras and four steps by the ci network, nothing judged yet."""
    return CodeEnergy(net, start_of(net), target_for(net.config.side))


@pytest.fixture(scope="module")
def tiny() -> Distiller:
    """A network whose pictures cost little, its coder ready."""
    torch.manual_seed(1)
    net = Distiller(TINY).eval()
    with torch.no_grad():
        # Before training the last layer is nearly silent, and no move changes a picture.
        net.decoder.last.weight.mul_(10)
    net.codec.tabulate()
    return net


def neighbours_of(problem: CodeEnergy, count: int, seed: int = 0) -> tuple[Ints, Ints]:
    """Return random codes near the start, of random windows."""
    rng = np.random.default_rng(seed)
    draw = RandomMoves(problem.layout)
    windows = rng.integers(WINDOWS, size=count)
    states = [changed(problem.start[w], [draw(rng, 0, problem.start[w])]) for w in windows]
    return windows, np.stack(states)


def test_pictures_are_those_that_the_network_decodes(net: Distiller, problem: CodeEnergy) -> None:
    """At the steps of a window, camera by camera, as `decode` makes them from the whole code."""
    target = problem.target
    with torch.no_grad():
        for camera in range(CAMERAS):
            query = Query(
                target.camera[:, camera],
                target.known[:, camera],
                target.t_ns,
                target.slot[:, camera],
            )
            whole = net.decode(start_of(net), target.t_ns, query).flatten(0, 1)
            places = torch.tensor([[w, w, camera, t] for w in range(WINDOWS) for t in range(STEPS)])
            mine = problem.pictures_of(torch.from_numpy(problem.start).float(), places)
            assert (mine - whole).abs().max() < 1e-5


def test_energy_is_error_over_variance_and_weighed_bytes(
    net: Distiller, problem: CodeEnergy
) -> None:
    """Computed here from the pictures and the coder's tables; unusable pictures do not count."""
    energies = problem.energies(np.arange(WINDOWS), problem.start)
    target = problem.target
    variance = float(target.truth[target.usable].double().var(correction=0))
    for w in range(WINDOWS):
        places = torch.tensor([[w, w, v, t] for v, t in target.usable[w].nonzero().tolist()])
        with torch.no_grad():
            shown = problem.pictures_of(torch.from_numpy(problem.start).float(), places)
        shown = (shown.clamp(0, 1) * 255).round()
        error = (shown - target.truth[w][target.usable[w]].float()).square().mean()
        size = problem.information(problem.start[[w]])[0] / 8 + HEADER_BYTES
        wanted = float(error) / variance + BYTE_WEIGHT * size
        assert energies[w] == pytest.approx(wanted, rel=1e-5)
    assert problem.variance == pytest.approx(variance)
    assert net.codec is not None


def test_a_batch_of_proposals_is_judged_as_each_alone(problem: CodeEnergy, net: Distiller) -> None:
    """But for the order of sums in the network: a picture's rounding, no more."""
    windows, states = neighbours_of(problem, 24)
    together = problem.energies(windows, states)
    for k in range(0, 24, 5):
        fresh = CodeEnergy(net, start_of(net), target_for(net.config.side))
        alone = fresh.energies(windows[[k]], states[[k]])
        assert together[k] == pytest.approx(alone[0], abs=1e-5)
    assert problem.evaluations == 24


def test_only_what_a_proposal_touches_is_decoded(problem: CodeEnergy) -> None:
    """A step's map touches that step, all else the whole window; the energy is the same."""
    every = np.arange(WINDOWS)
    problem.energies(every, problem.start)
    for k in every:
        problem.keep(k)
    before = problem.pictures
    state = problem.start[[0, 0]].copy()
    state[0, 512 + 2 * 32 + 5] += 1  # the map of step 2
    state[1, 3] += 1  # a latent
    parts = problem.energies(np.array([0, 0]), state)
    assert problem.pictures - before == CAMERAS * 1 + CAMERAS * STEPS
    fresh = CodeEnergy(
        problem.net, problem.symbols(torch.from_numpy(problem.start)), problem.target
    )
    assert parts == pytest.approx(fresh.energies(np.array([0, 0]), state), abs=1e-5)


def test_the_tables_say_what_the_coder_writes(problem: CodeEnergy) -> None:
    """Header and information are at most two words of four bytes away from the real stream."""
    _, states = neighbours_of(problem, WINDOWS)
    said = problem.information(states) / 8 + HEADER_BYTES
    for state, size in zip(states, said, strict=True):
        assert -1 <= len(problem.to_bytes(state)) - size <= 8


def test_what_is_decided_are_streams_that_decode_to_the_code(
    net: Distiller, problem: CodeEnergy
) -> None:
    """Each window by itself, in its own stream."""
    decided = problem.decided(problem.start)
    whole = joined([net.codec.from_bytes(one) for one in decided.data])
    for mine, start in zip(whole, start_of(net), strict=True):
        assert torch.equal(mine, start)
    assert decided.size.tolist() == [len(one) for one in decided.data]
    assert problem.evaluations == 0


@pytest.mark.parametrize("method", METHODS)
def test_no_refinement_is_worse_than_its_start_by_real_bytes(tiny: Distiller, method: str) -> None:
    """Window by window; what was decided is what a reader of the bytes would find."""
    problem = CodeEnergy(tiny, start_of(tiny), target_for(32))
    found = refine(problem, method, 120, seed=0)
    assert (found.after.energy <= found.before.energy).all()
    again = CodeEnergy(tiny, start_of(tiny), target_for(32)).decided(found.states)
    assert again.energy == pytest.approx(found.after.energy)
    assert again.data == found.after.data
    if method != "rounding":
        assert found.after.energy.sum() < found.before.energy.sum()


@pytest.mark.parametrize("method", [name for name in METHODS if name != "rounding"])
def test_all_methods_have_the_same_evaluations(tiny: Distiller, method: str) -> None:
    """A step of gradient counts as three; what does not fill a whole step of it is left over."""
    problem = CodeEnergy(tiny, start_of(tiny), target_for(32))
    found = refine(problem, method, 100, seed=0)
    if method == "gradient":
        assert 100 - 3 * WINDOWS < found.evaluations <= 100
        assert found.evaluations > problem.evaluations
    else:
        assert found.evaluations == problem.evaluations == 100


@pytest.mark.parametrize("method", ["annealing", "gradient"])
def test_a_refinement_repeats_itself(tiny: Distiller, method: str) -> None:
    """The same seed gives the same bytes, another seed others."""

    def data(seed: int) -> list[bytes]:
        problem = CodeEnergy(tiny, start_of(tiny), target_for(32))
        return refine(problem, method, 90, seed).after.data

    assert data(3) == data(3)
    assert data(3) != data(4)


def test_a_window_without_pictures_stays_as_it_is(tiny: Distiller) -> None:
    """There is nothing to come nearer to; a clip without any picture costs no evaluation."""
    target = target_for(32)
    target.usable[1] = False
    found = refine(CodeEnergy(tiny, start_of(tiny), target), "cold", 60, seed=0)
    assert found.after.data[1] == found.before.data[1]
    assert found.after.data[0] != found.before.data[0]
    target.usable[:] = False
    for method in METHODS:
        found = refine(CodeEnergy(tiny, start_of(tiny), target), method, 60, seed=0)
        assert found.after.data == found.before.data
        assert found.evaluations == 0


def test_a_code_of_real_numbers_is_refused() -> None:
    """There are no symbols to move."""
    net = Distiller(replace(TINY, quantised=False)).eval()
    with pytest.raises(TypeError, match="real numbers"):
        CodeEnergy(net, start_of(net), target_for(32))


def test_refine_is_the_name_of_the_best_method() -> None:
    """Every method has a name on the command, but for the one that does nothing."""
    assert chosen("refine") in METHODS
    assert chosen("annealing") == "annealing"
    assert set(OFFERED) == {"refine", *METHODS} - {"rounding"}
