"""What training makes of the machine: `python tests/bench/bench_distiller.py --home HOME`.

HOME is one in which extract has run; it is only read. Prints, side by side in one run with the same
threads: the machine's rate of dense 3x3 convolutions, forward and backward, in the preset's
arithmetic; the rate of whole training steps, reading windows and all (operations counted by torch's
own counter); what training waited for windows; and where the rest of a step goes.
"""

from __future__ import annotations

import argparse
import platform
import time
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from bench_ingest import cpu_model
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from window_source import window_source

from infra.settings import load_settings
from models.distiller import Distiller
from models.distiller_config import PRESETS as NETWORKS
from models.precision import precision_of
from models.view_prediction import ViewPredictor
from tasks.distiller.presets import PRESETS
from tasks.distiller.steps import step_losses
from tasks.distiller.train import TrainedDistiller, spec_of, train_distiller
from tasks.sessions.splits import TRAIN
from tasks.windows.reader import Position
from tasks.windows.stream import WindowStream

if TYPE_CHECKING:
    from models.precision import Precision
    from tasks.distiller.presets import DistillerPreset
    from tasks.windows.sets import WindowSource

# Channels and sides of dense convolutions the extractor's trunk and the decoder are made of.
LAYERS = ((32, 56), (64, 28), (96, 14), (128, 28), (160, 7))
IMAGES, ROUNDS, BATCHES = 128, 5, 4
GOAL, WAITING_GOAL = 0.5, 0.05


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--home", required=True)
    parser.add_argument("--preset", default="laptop", choices=sorted(PRESETS))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=load_settings().cpus)
    given = parser.parse_args()
    settings = load_settings(given.home)
    settings.prepare_process()
    preset = replace(PRESETS[given.preset], steps=given.steps)
    precision = precision_of(bf16=preset.bf16)
    torch.set_num_threads(given.threads)
    print(f"{cpu_model()}, {given.threads} threads, Python {platform.python_version()}")
    print(f"preset {preset.name}, {precision}")
    rates = convolutions(precision)
    source = window_source(settings)
    flops = operations(source, preset)
    trained = None
    for found in train_distiller(source, TRAIN, preset, threads=given.threads):
        trained = found
    assert isinstance(trained, TrainedDistiller)
    seconds = trained.seconds / preset.steps
    rate = flops / seconds / 1e9
    print(f"\none step: {flops / 1e9:.0f} GFLOP , mean of {BATCHES}; {seconds:.2f} s end to end")
    print(f"  {rate:.0f} GFLOP/s of {median(rates):.0f} that convolutions reach")
    share = rate / median(rates)
    print(f"  {share:.0%}  (goal {GOAL:.0%}: {'met' if share >= GOAL else 'NOT MET'})")
    waited = trained.waited_share
    said = "met" if waited < WAITING_GOAL else "NOT MET"
    print(f"  waited for windows: {waited:.1%}  (goal under {WAITING_GOAL:.0%}: {said})")


def convolutions(precision: Precision) -> list[float]:
    """Print and return GFLOP/s of each layer, forward and backward, the median of some rounds."""
    print(f"\ndense 3x3 convolutions, {IMAGES} images, forward and backward, GFLOP/s")
    found = []
    for channels, side in LAYERS:
        x = torch.randn(IMAGES, channels, side, side).to(memory_format=torch.channels_last)
        x.requires_grad_()
        weight = torch.randn(channels, channels, 3, 3).to(memory_format=torch.channels_last)
        weight.requires_grad_()
        work = 3 * 2 * IMAGES * channels * channels * 9 * side * side
        spent = []
        for _ in range(ROUNDS + 1):
            since = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                y = functional.conv2d(x, weight, padding=1)
            y.backward(torch.ones_like(y))
            spent.append(time.perf_counter() - since)
        found.append(work / median(spent[1:]) / 1e9)
        print(f"  {channels:>4} channels at {side:>3} px: {found[-1]:.0f}")
    return found


def operations(source: WindowSource, preset: DistillerPreset) -> float:
    """Return the operations of a training step, the mean of some batches."""
    reader = source.reader(spec_of(preset), TRAIN, batch=preset.batch, seed=preset.seed)
    net = Distiller(replace(NETWORKS[preset.network], fusion=preset.fusion)).train()
    head = ViewPredictor(net.config.width, net.config.heads)
    rng = np.random.default_rng(0)
    counted = []
    stream = WindowStream(reader, Position())
    try:
        for _ in range(BATCHES):
            windows, _ = stream.next()
            with FlopCounterMode(display=False) as counter:
                terms = step_losses(
                    net, head, windows, preset, rng, source.step_ns, torch.device("cpu")
                )
                terms["total"].backward()
            counted.append(counter.get_total_flops())
    finally:
        stream.close()
    return float(np.mean(counted))


if __name__ == "__main__":
    main()
