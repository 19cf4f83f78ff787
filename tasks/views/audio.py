"""View *audio*: log-mel spectrogram and speech activity (Silero VAD) of what a camera heard.

Needs the asset `silero-vad`. `logmel` is decibels above -100 dB of full scale in steps of .4 dB,
64 bands of the HTK mel scale, four every 80 ms; a band's power is that of a full-scale sine at 0
dB, and the bands add up to the whole. `speech` is a probability. 257 bytes a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.recordings.hearing import LEAD_NS, TAIL_NS
from tasks.recordings.sound import RATE
from tasks.views.compiled import PRECISION, Compiled
from tasks.views.view import ArraySpec, Feature, View, ViewSpec, absent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from tasks.recordings.sound import Sound
    from tasks.views.view import DecodedClip

    Samples = npt.NDArray[np.float32]

ASSET, NETWORK = "silero-vad", "silero-vad-16k.onnx"
BANDS, PARTS = 64, 4
# Samples: a step of 80 ms, a part of 20 ms, the 32 ms that are looked at around a part's middle.
STEP, PART, WINDOW = 1280, 320, 512
# Twice the window: at 31 Hz a bin the lowest triangles, 27 Hz wide, would be empty.
FFT = 1024
LOW_HZ, HIGH_HZ = 60.0, 8000.0
# 8 bits of a fixed range, -100 to +2 dB (a full-scale square wave): off by .2 dB at most, and one
# loudness is one number in every clip; int8 of each clip's own range is off by .4.
FLOOR_DB, LEVEL_DB = -100.0, 0.4
# What Silero VAD takes at once, with what came before it.
FRAME, BEFORE = 512, 64
STATE = np.zeros((1, 1, 128), np.float32)
NEAR = 6  # steps drawn on either side

SPEC = ViewSpec(
    name="audio",
    parameters={
        "rate": RATE,
        "mel": f"htk {BANDS} of {LOW_HZ:.0f}-{HIGH_HZ:.0f} Hz",
        "window": WINDOW,
        "fft": FFT,
        "floor_db": FLOOR_DB,
        "level_db": LEVEL_DB,
        "precision": PRECISION,
        "around_ns": f"{LEAD_NS} {TAIL_NS}",
    },
    scales=(),
    arrays=(ArraySpec("logmel", (BANDS, PARTS), "uint8"), ArraySpec("speech", (1,), "uint8")),
    assets=(ASSET,),
    cost_ms=0.15,
    sound=True,
)


@dataclass(frozen=True)
class AudioKind:
    """The view *audio*, not yet loaded."""

    spec: ViewSpec = SPEC

    def prepare(
        self,
        assets: Path,
        weights: Mapping[str, str],  # noqa: ARG002  the pinned file is the only one
    ) -> None:
        """Make sure that the network is there."""
        _network(assets)

    def load(
        self,
        assets: Path,
        threads: int,
        weights: Mapping[str, str],  # noqa: ARG002  the pinned file is the only one
    ) -> View:
        """Compile the network for up to `threads` callers, each on one core."""
        example = np.zeros((1, BEFORE + FRAME), np.float32)
        return Audio(Compiled(str(_network(assets)), threads, [example, STATE, STATE]))


def _network(assets: Path) -> Path:
    from infra.assets import member_path

    return member_path(assets, ASSET, NETWORK)


class Audio:
    """A compiled network and the filters."""

    def __init__(self, network: Compiled) -> None:
        self._network = network
        self._filters = mel_filters()

    def compute(self, clip: DecodedClip) -> Feature:
        """Describe each step that is present and at least half heard; silence is heard.

        The network's memory starts anew two seconds before the clip.
        """
        if clip.sound is None:
            return absent(SPEC, len(clip.present), "the recording has no sound")
        shown = clip.sound.at[:, None] + np.arange(0, STEP, PART // 4)
        mask = clip.present & (clip.sound.heard[shown].mean(axis=1) >= 0.5)
        if not mask.any():
            return absent(SPEC, len(mask), "no step of this clip is both shown and heard")
        levels = (self._decibels(clip.sound) - FLOOR_DB) / LEVEL_DB
        logmel = np.rint(levels).clip(0, 255).astype(np.uint8)
        speech = np.rint(self._speech(clip.sound) * 255).clip(0, 255).astype(np.uint8)[:, None]
        logmel[~mask], speech[~mask] = 0, 0
        return Feature((logmel, speech), (LEVEL_DB, 1 / 255), mask)

    def draw(
        self,
        feature: Feature,
        step: int,
        backdrop: npt.NDArray[np.uint8] | None = None,  # noqa: ARG002  a map by itself
    ) -> npt.NDArray[np.uint8]:
        """Return the spectrogram around a step, low tones below, and under it a bar of speech.

        A white line stands where the step begins; brightness is full at 0 dB.
        """
        logmel, speech = feature.arrays
        steps = np.arange(step - NEAR, step + NEAR + 1)
        inside = ((steps >= 0) & (steps < len(logmel)))[:, None, None]
        near = np.where(inside, logmel[steps.clip(0, len(logmel) - 1)], 0)
        bands = np.concatenate(list(near.astype(np.uint8)), axis=1)[::-1]
        picture = cv2.applyColorMap(bands, cv2.COLORMAP_INFERNO)[..., ::-1]
        rgb = np.zeros((112, len(steps) * 8, 3), np.uint8)
        rgb[:96] = cv2.resize(picture, (len(steps) * 8, 96), interpolation=cv2.INTER_NEAREST)
        for k, at in enumerate(steps):
            if 0 <= at < len(speech):
                height = round(int(speech[at, 0]) / 255 * 15)
                rgb[112 - height :, 8 * k : 8 * k + 7] = (90, 220, 90)
        rgb[:, 8 * NEAR] = 255
        return rgb

    def _decibels(self, sound: Sound) -> Samples:
        """Return the power of each band and part: (T, bands, parts) dB of a full-scale sine."""
        middles = sound.at[:, None] + PART // 2 + np.arange(0, STEP, PART)
        taken = middles[..., None] + np.arange(-WINDOW // 2, WINDOW // 2)
        hann = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
        spectrum = np.fft.rfft(sound.samples[taken] * hann, FFT)
        # Summed over the bins a sine of amplitude 1 has a power of 1 (Parseval).
        power = (spectrum.real**2 + spectrum.imag**2) * np.float32(
            4 / (FFT * np.square(hann).sum())
        )
        bands = power @ self._filters.T
        found = 10 * np.log10(np.maximum(bands, 10 ** (FLOOR_DB / 10)))
        return np.ascontiguousarray(found.transpose(0, 2, 1), np.float32)

    def _speech(self, sound: Sound) -> Samples:
        """Return the mean probability of speech during each step: (T,)."""
        count = len(sound.samples) // FRAME
        frames = sound.samples[: count * FRAME].reshape(count, FRAME)
        before = np.zeros((count, BEFORE), np.float32)
        before[1:] = frames[:-1, -BEFORE:]
        heard = np.concatenate([before, frames], axis=1)
        found = self._network(heard, STATE, STATE)[0].reshape(-1)
        total = np.concatenate([[0.0], np.cumsum(found, dtype=np.float64)])
        edges = np.interp([sound.at, sound.at + STEP], np.arange(count + 1) * FRAME, total)
        mean: Samples = ((edges[1] - edges[0]) * (FRAME / STEP)).astype(np.float32)
        return mean


def mel_centres() -> npt.NDArray[np.float64]:
    """Return the middle frequency of each band, with the ends below and above: (bands + 2,) Hz.

    Evenly spaced in 2595 log10(1 + f / 700) (O'Shaughnessy, 1987; HTK).
    """
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOW_HZ, HIGH_HZ))
    centres: npt.NDArray[np.float64] = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    return centres


def mel_filters() -> Samples:
    """Return a triangle a band, 1 at its middle and 0 at its neighbours': (bands, FFT / 2 + 1)."""
    hz, bins = mel_centres(), np.arange(FFT // 2 + 1) * RATE / FFT
    rising = (bins - hz[:-2, None]) / (hz[1:-1] - hz[:-2])[:, None]
    falling = (hz[2:, None] - bins) / (hz[2:] - hz[1:-1])[:, None]
    return np.minimum(rising, falling).clip(0).astype(np.float32)
