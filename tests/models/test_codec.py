from __future__ import annotations

import numpy as np
import pytest
import torch

from models.codec import Codec, Symbols
from models.distiller_config import PRESETS
from models.entropy import TOTAL_BITS, FactorisedPrior
from models.quantiser import Quantiser
from models.range_coder import packed, sizes_of, unpacked


def fitted(prior: FactorisedPrior, symbols: torch.Tensor, steps: int = 150) -> FactorisedPrior:
    """Return the prior as training would leave it for such symbols."""
    optimiser = torch.optim.Adam(prior.parameters(), lr=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        prior.bits(symbols).mean().backward()
        optimiser.step()
    prior.tabulate()
    return prior


@pytest.fixture(scope="module")
def coded() -> tuple[Codec, Symbols]:
    """A codec whose priors fit the whole numbers beside it: eight windows of eight steps."""
    generator = torch.Generator().manual_seed(0)
    config = PRESETS["laptop"]
    codec = Codec(config).eval()

    def drawn(*shape: int, spread: float) -> torch.Tensor:
        x = torch.randn(*shape, generator=generator) * spread
        return x.round().clamp(-config.limit, config.limit)

    symbols = Symbols(
        drawn(8, 16, 16, spread=1.5),
        drawn(8, 4, 14, 14, spread=0.6),
        # Most of a step's map says nothing.
        drawn(8, 8, 2, 7, 7, spread=0.3),
    )
    for name, part in zip(
        Symbols._fields,
        (symbols.semantic.flatten(1), symbols.key, symbols.steps.transpose(1, 2)),
        strict=True,
    ):
        fitted(codec.priors[name], part, 60)  # type: ignore[arg-type]  # a ModuleDict of them
    return codec, symbols


def test_bytes_are_within_two_percent_of_the_estimate(coded: tuple[Codec, Symbols]) -> None:
    """Of a batch of windows, header included; and what comes back is what went in."""
    codec, symbols = coded
    stream = codec.to_bytes(symbols)
    estimate = float(codec.bits(symbols).sum().detach())
    assert abs(len(stream) * 8 / estimate - 1) < 0.02, (len(stream) * 8, estimate)
    for sent, got in zip(symbols, codec.from_bytes(stream), strict=True):
        assert torch.equal(sent, got)


def test_one_window_costs_little_more(coded: tuple[Codec, Symbols]) -> None:
    """Header and the coder's last word are at most 12 bytes above one window's information."""
    codec, symbols = coded
    one = Symbols(*(part[:1] for part in symbols))
    estimate = float(codec.bits(one).detach())
    assert len(codec.to_bytes(one)) * 8 < estimate * 1.02 + 12 * 8


@pytest.mark.parametrize("shape", [(1, 1), (3, 8), (200, 1)])
def test_extreme_codes_come_back(coded: tuple[Codec, Symbols], shape: tuple[int, int]) -> None:
    """Nothing but zeros, and nothing but symbols at the limit, of any number of windows."""
    codec, _ = coded
    batch, steps = shape
    for value in (0, 31, -31):
        sizes = (batch, 16, 16), (batch, 4, 14, 14), (batch, steps, 2, 7, 7)
        symbols = Symbols(*(torch.full(size, float(value)) for size in sizes))
        back = codec.from_bytes(codec.to_bytes(symbols))
        assert all(torch.equal(a, b) for a, b in zip(symbols, back, strict=True))


def test_a_damaged_stream_is_refused(coded: tuple[Codec, Symbols]) -> None:
    """One bit anywhere, a missing end or another model's tables: an error, never a wrong code."""
    codec, symbols = coded
    stream = codec.to_bytes(Symbols(*(part[:1] for part in symbols)))
    for at in (0, 2, 5, 6, 7, len(stream) // 2, len(stream) - 1):
        damaged = bytearray(stream)
        damaged[at] ^= 1
        with pytest.raises(ValueError, match="stream"):
            codec.from_bytes(bytes(damaged))
    for end in (0, 1, 4, 6, len(stream) - 1):
        with pytest.raises(ValueError, match="stream"):
            codec.from_bytes(stream[:end])
    other = Codec(codec.config)
    other.tabulate()
    with pytest.raises(ValueError, match="another model"):
        other.from_bytes(stream)


def test_what_cannot_be_coded_is_refused(coded: tuple[Codec, Symbols]) -> None:
    """Noisy symbols, symbols beyond the limit, and a prior that was never tabulated."""
    codec, symbols = coded
    with pytest.raises(ValueError, match="only whole numbers"):
        codec.to_bytes(symbols._replace(key=symbols.key + 0.25))
    with pytest.raises(ValueError, match="beyond 31"):
        codec.to_bytes(symbols._replace(key=symbols.key + 32))
    with pytest.raises(ValueError, match="tabulate"):
        Codec(codec.config).to_bytes(symbols)


def test_a_prior_learns_the_entropy_of_its_symbols() -> None:
    """A skewed channel with two peaks costs within 3 % of its empirical entropy."""
    generator = torch.Generator().manual_seed(1)
    peaks = torch.where(torch.rand(4000, generator=generator) < 0.8, -3.0, 5.0)
    symbols = (peaks + 0.8 * torch.randn(4000, generator=generator)).round()
    _, counts = symbols.unique(return_counts=True)
    share = counts / counts.sum()
    entropy = float(-(share * share.log2()).sum())
    prior = fitted(FactorisedPrior(1, 31), symbols[:, None])
    assert entropy <= float(prior.bits(symbols[:, None]).mean().detach()) < entropy * 1.03


def test_probabilities_add_up() -> None:
    """All whole numbers together have mass 1, near the middle of a channel and far from it."""
    prior = FactorisedPrior(3, 31)
    with torch.no_grad():
        prior.middle.copy_(torch.tensor([[0.0, 0.0, 0.0], [9.3, 9.3, 9.3], [-20.0, 0.5, 20.0]]))
        prior.log_scale.fill_(-1)
    at = torch.arange(-60.0, 61).expand(3, -1)
    torch.testing.assert_close(prior._probability(at).sum(dim=1), torch.ones(3))
    prior.tabulate()
    assert prior.table.sum(dim=1).tolist() == [2**TOTAL_BITS] * 3
    assert prior.table.min() >= 1
    assert prior.table.argmax(dim=1).tolist()[:2] == [31, 40]


def test_the_table_is_what_the_estimate_says() -> None:
    """Bits by the table and by the prior differ by less than a thousandth where mass is."""
    prior = FactorisedPrior(2, 31)
    prior.tabulate()
    at = torch.arange(-5.0, 6).expand(1, 2, -1)
    table = -(prior.table[:, 26:37].double() / 2**TOTAL_BITS).log2()
    torch.testing.assert_close(prior.bits(at)[0].double(), table, atol=0.02, rtol=0.01)


def test_noise_and_rounding_agree_in_the_mean() -> None:
    """In training the error is uniform noise of one step; after, rounding, with equal energy."""
    quantiser = Quantiser(4, 31, step=0.5)
    x = torch.randn(64, 4, 50, generator=torch.Generator().manual_seed(2))
    noisy = quantiser.restore(quantiser(x))
    quantiser.eval()
    symbols = quantiser(x)
    assert torch.equal(symbols, symbols.round())
    for restored in (noisy, quantiser.restore(symbols)):
        error = (restored - x).detach()
        assert error.abs().max() <= 0.25 + 1e-6
        assert float(error.square().mean()) == pytest.approx(0.5**2 / 12, rel=0.05)
    assert quantiser(x * 1e6).abs().max().item() == 31


def test_several_streams_of_sizes() -> None:
    """Sizes beyond a byte, empty arrays and tables of different width travel together."""
    tables = [np.full((2, 3), 5, np.int32), np.array([[1, 7, 1, 1, 90]], np.int32)]
    parts = [np.array([[1, -1], [0, 1]], np.int32), np.zeros((1, 0), np.int32)]
    stream = packed(parts, tables, [300, 70_000])
    assert sizes_of(stream, 2)[0] == [300, 70_000]
    back = unpacked(stream, tables, [2, 0], sizes=2)
    assert all(np.array_equal(a, b) for a, b in zip(parts, back, strict=True))
