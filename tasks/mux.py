"""The only file that writes a container: pictures and sound into one video file, or one still.

Reads the frames it is handed and, to copy sound, the recording they came from; writes one file,
whole or not at all (`<path>.partial`, moved into place when it is closed). The same frames and
options give the same bytes: encoders and scaler run bit-exact on one thread.
`sound.py` says which packets of sound are written.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter

