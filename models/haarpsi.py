"""HaarPSI: perceptual similarity of pictures from Haar wavelets, without any weights.

Tensors in, one value a picture out. Reisenhofer, Bosse, Kutyniok and Wiegand, "A Haar
wavelet-based perceptual similarity index for image quality assessment", Signal Processing: Image
Communication 61, 2018. The conventions that the paper leaves open (sums of even length, edges,
odd sizes) are those of the authors' code, which `piq` follows.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

# The paper's: fitted to opinion scores of four data sets, on grey levels of 0..255.
C = 30.0
ALPHA = 4.2
# Scales 1 and 2 are compared; scale 3 says how much a place weighs.
SCALES = 3
SMALLEST_SIDE = 2 ** (SCALES + 1)
# NTSC, as rounded by the authors: rows are Y, I, Q.
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def haarpsi(ours: Tensor, truth: Tensor) -> Tensor:
    """Similarity 0..1 of rgb 0..1: (..., 3, H, W) -> (...), 1 for equal pictures; symmetric.

    Colour counts as a third orientation beside the horizontal and the vertical one. 1 for two
    pictures with nothing in them.

    Raises:
        ValueError: if the shapes differ, it is not rgb, or a side is shorter than 16.
    """
    if ours.shape != truth.shape:
        raise ValueError(f"shapes differ: {tuple(ours.shape)} and {tuple(truth.shape)}")
    if ours.ndim < 3 or ours.shape[-3] != 3 or min(ours.shape[-2:]) < SMALLEST_SIDE:
        raise ValueError(
            f"needs (..., 3, H, W) of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels, "
            f"got {tuple(ours.shape)}"
        )
    # (N, 3, h, w): seen from a distance, as the paper halves every picture first.
    x, y = (_halved(_yiq(one.reshape(-1, *one.shape[-3:]).double())) for one in (ours, truth))
    similarities, weights = [], []
    for axis in (-2, -1):
        waves_x, waves_y = ([_haar(z[:, 0], k, axis) for k in (1, 2, 3)] for z in (x, y))
        alike = [_similarity(a, b) for a, b in zip(waves_x[:2], waves_y[:2], strict=True)]
        similarities.append((alike[0] + alike[1]) / 2)
        weights.append(torch.maximum(waves_x[2], waves_y[2]))
    chroma_x, chroma_y = (avg_pool2d(pad(z[:, 1:], (0, 1, 0, 1)), 2, 1).abs() for z in (x, y))
    similarities.append(_similarity(chroma_x, chroma_y).mean(dim=1))
    weights.append((weights[0] + weights[1]) / 2)
    similarity, weight = torch.stack(similarities, dim=1), torch.stack(weights, dim=1)
    # Flat pictures have no weight anywhere: then every place counts alike.
    weight = torch.where(weight.sum(dim=(1, 2, 3), keepdim=True) > 0, weight, 1.0)
    mean = (torch.sigmoid(ALPHA * similarity) * weight).sum(dim=(1, 2, 3)) / weight.sum(
        dim=(1, 2, 3)
    )
    index: Tensor = (torch.logit(mean) / ALPHA).square().float().reshape(ours.shape[:-3])
    return index


def _yiq(rgb: Tensor) -> Tensor:
    """(N, 3, H, W) in 0..1 -> the same in YIQ on the scale of 255."""
    matrix = torch.tensor(YIQ, dtype=rgb.dtype, device=rgb.device)
    return torch.einsum("kc,nchw->nkhw", matrix, rgb * 255.0)


def _halved(x: Tensor) -> Tensor:
    """Mean of 2 x 2; where either side is odd, a row and a column of zeros are added first."""
    odd = max(x.shape[-2] % 2, x.shape[-1] % 2)
    return avg_pool2d(pad(x, (0, odd, 0, odd)), 2)


def _haar(x: Tensor, scale: int, axis: int) -> Tensor:
    """Magnitude of the Haar wavelet of 2^scale px along an axis: (N, h, w) -> the same.

    The other axis is averaged over as many pixels. Zeros stand beyond the edges.
    """
    size = 2**scale
    before, after, half = size // 2 - 1, size // 2, size // 2
    kernel = (half, size) if axis == -2 else (size, half)
    boxes = avg_pool2d(pad(x, (before, after, before, after)), kernel, stride=1)
    length = boxes.shape[axis] - half
    change = boxes.narrow(axis, half, length) - boxes.narrow(axis, 0, length)
    # A sum over half of size^2 pixels by a filter of height 1 / size.
    magnitude: Tensor = change.abs() * (size / 2)
    return magnitude


def _similarity(a: Tensor, b: Tensor) -> Tensor:
    """Of two magnitudes: 1 where equal."""
    alike: Tensor = (2 * a * b + C) / (a.square() + b.square() + C)
    return alike
