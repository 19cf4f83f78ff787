"""Bytes at equal PSNR: the arithmetic of tests/bench/eval_compact.py, on lines that are known."""

from __future__ import annotations

import math

import pytest
import torch
from rate_curves import Point, mean_ratio, size_at, worth
from rescaled_code import rescaled

from models.codec import Codec, Symbols
from models.distiller_config import PRESETS

LINE = [Point(100, 20), Point(200, 26), Point(400, 32)]


def test_points_that_another_beats_are_left_out() -> None:
    """More bytes for no more PSNR are not on the line; of equal bytes the better is."""
    poor = [Point(150, 19), Point(200, 25), Point(300, 26), Point(500, 32)]
    assert worth([*poor, *reversed(LINE)]) == LINE


def test_bytes_double_every_six_decibels() -> None:
    """Half-way between two points lies their geometric mean; points are what they are."""
    found = [size_at(LINE, psnr) for psnr in (20, 26, 32)]
    assert [one.kind for one in found] == ["="] * 3
    assert [one.size for one in found] == pytest.approx([100, 200, 400])
    assert size_at(LINE, 23).size == pytest.approx(100 * 2**0.5)
    assert size_at(LINE, 30).size == pytest.approx(100 * 2 ** (10 / 6))
    assert size_at(list(reversed(LINE)), 23) == size_at(LINE, 23)


def test_a_line_does_not_go_on_beyond_its_ends() -> None:
    """Below the coarsest point bytes are at most its own; above the finest there are none."""
    assert size_at(LINE, 12) == (100, "<=")
    assert str(size_at(LINE, 12)) == "<=100"
    beyond = size_at(LINE, 32.01)
    assert beyond.kind == str(beyond) == "out of reach"
    assert math.isnan(beyond.size)
    assert size_at([Point(7, 20)], 20) == (7, "=")


def test_a_coder_of_half_the_bytes_has_ratio_a_half() -> None:
    """At every PSNR, however either was sampled; and the ratio turned round is its inverse."""
    half = [Point(50 * 2 ** (x / 6), 20 + x) for x in (-3, 1, 4, 7, 15)]
    assert mean_ratio(half, LINE) == pytest.approx(0.5)
    assert mean_ratio(LINE, half) == pytest.approx(2)
    assert mean_ratio(LINE, LINE) == pytest.approx(1)


def test_a_ratio_is_the_mean_of_logarithms() -> None:
    """Equal at the coarse end and a quarter at the fine end: a half."""
    steeper = [Point(100, 20), Point(100, 32)]
    assert mean_ratio([Point(99, 20), Point(100, 32)], LINE) == pytest.approx(
        math.exp((math.log(0.99) + math.log(0.25)) / 2)
    )
    assert worth(steeper) == [Point(100, 32)]


def test_lines_without_a_common_psnr_have_no_ratio() -> None:
    """Nothing is extrapolated, and one common point is no stretch of a line."""
    assert mean_ratio(LINE, [Point(10, 33), Point(20, 40)]) is None
    assert mean_ratio(LINE, [Point(10, 32), Point(20, 40)]) is None
    for wrong in ([], [Point(0, 20)]):
        with pytest.raises(ValueError, match="a line needs points"):
            size_at(wrong, 20)


@torch.no_grad()
def test_a_rescaled_code_costs_what_its_symbols_carry() -> None:
    """Steps four times as large: a quarter of the symbols' size, real bytes within the estimate."""
    torch.manual_seed(0)
    config = PRESETS["ci"]
    codec = Codec(config).eval()
    real = Symbols(
        torch.randn(8, 16, 16), torch.randn(8, 4, 8, 8), 0.3 * torch.randn(8, 4, 2, 4, 4)
    )
    codec.tabulate()
    fine = codec.quantise(real)
    same = rescaled(codec, dict.fromkeys(Symbols._fields, 1.0))
    assert same.to_bytes(same.quantise(real)) == codec.to_bytes(fine)
    coarse = rescaled(codec, dict.fromkeys(Symbols._fields, 4.0))
    symbols = coarse.quantise(real)
    for a, b in zip(symbols, fine, strict=True):
        assert (a * 4 - b).abs().max() <= 2.5
    stream = coarse.to_bytes(symbols)
    # Drawn priors fit no channel: the table's rounding costs up to 3 % of the short stream.
    assert len(stream) * 8 == pytest.approx(float(coarse.bits(symbols).sum()), rel=0.03, abs=160)
    assert len(stream) < len(codec.to_bytes(fine))
    assert all(torch.equal(a, b) for a, b in zip(coarse.from_bytes(stream), symbols, strict=True))
    # The error is that of the larger step, .25 x 4.
    error = (coarse.restore(symbols).key - real.key).square().mean()
    assert float(error) == pytest.approx(1 / 12, rel=0.1)


@torch.no_grad()
def test_a_part_of_the_code_may_be_dropped() -> None:
    """Step maps of an endless step are nothing, and cost next to nothing."""
    torch.manual_seed(0)
    codec = Codec(PRESETS["ci"]).eval()
    real = Symbols(torch.randn(8, 16, 16), torch.randn(8, 4, 8, 8), torch.randn(8, 8, 2, 4, 4))
    without = rescaled(codec, {"semantic": 1.0, "key": 1.0, "steps": math.inf})
    symbols = without.quantise(real)
    assert not symbols.steps.any()
    assert not without.restore(symbols).steps.any()
    alone = rescaled(codec, dict.fromkeys(Symbols._fields, 1.0))
    nothing = real._replace(steps=torch.zeros(8, 0, 2, 4, 4))
    spent = len(without.to_bytes(symbols)) - len(alone.to_bytes(alone.quantise(nothing)))
    # 2048 symbols: one byte in a hundred and twenty of what whole ones would be.
    assert spent < 8
