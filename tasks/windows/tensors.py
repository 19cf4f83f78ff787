"""The sample contract: which tensors a window has, and how the rows of views become them.

Pure. T steps, V cameras. What is absent is zero *and* masked, never zeros taken as data. Sound
and text are of the whole session: of several cameras the first that has any is heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.kernels.depth_maps import affine_normalised
from tasks.views.catalogue import view_named
from tasks.views.packing import values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tasks.rigs.calibration import CameraModel
    from tasks.views.view import Feature

Tensor = npt.NDArray[Any]
FLOW_LIMIT = 20.0


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor: its shape, its dtype, the views it may come from.

    Of several views the first that has something to say is taken. `read` gives (T, *shape), of a
    tensor that is not `stepped` (*shape). One that is `shared` is of the session, not of a camera.
    """

    shape: tuple[int, ...]
    dtype: str
    views: tuple[str, ...]
    read: Callable[[Feature, str], Tensor]
    stepped: bool = True
    shared: bool = False


def array_of(feature: Feature, view: str, name: str) -> Tensor:
    """Return an array of a feature by its name, in its own unit: (T, *shape) float32."""
    names = [one.name for one in view_named(view).spec.arrays]
    return values(feature, names.index(name))


def _rgb(feature: Feature, view: str) -> Tensor:  # noqa: ARG001  one view, one array
    return feature.arrays[0].transpose(0, 3, 1, 2)


def _appearance(feature: Feature, view: str) -> Tensor:
    return array_of(feature, view, "stride16").astype(np.float16)


def _flow(feature: Feature, view: str) -> Tensor:
    return array_of(feature, view, "flow").clip(-FLOW_LIMIT, FLOW_LIMIT).astype(np.float16)


def _silhouette(feature: Feature, view: str) -> Tensor:
    return array_of(feature, view, "silhouette")[:, None].astype(np.float16)


def _skeleton(feature: Feature, view: str) -> Tensor:
    return array_of(feature, view, "joints").astype(np.float16)


def _audio(feature: Feature, view: str) -> Tensor:
    return array_of(feature, view, "logmel").astype(np.float16)


def _text(feature: Feature, view: str) -> Tensor:  # noqa: ARG001  a vector has no name
    if feature.vector is None:
        raise ValueError("a text that is there has no vector")
    return feature.vector


def _depth(feature: Feature, view: str) -> Tensor:  # noqa: ARG001  two views, one form
    confidence = values(feature, 1)
    return np.concatenate([affine_normalised(feature), confidence], axis=1).astype(np.float16)


TENSORS: dict[str, TensorSpec] = {
    "rgb": TensorSpec((3, 112, 112), "uint8", ("thumbnail",), _rgb),
    "appearance": TensorSpec((96, 14, 14), "float16", ("appearance",), _appearance),
    "flow": TensorSpec((2, 28, 28), "float16", ("flow",), _flow),
    "silhouette": TensorSpec((1, 56, 56), "float16", ("silhouette",), _silhouette),
    "skeleton": TensorSpec((2, 33, 4), "float16", ("skeleton",), _skeleton),
    "audio": TensorSpec((64, 4), "float16", ("audio",), _audio, shared=True),
    "text": TensorSpec((384,), "float32", ("text",), _text, stepped=False, shared=True),
    # Inverse depth and confidence. One picture's depth is everywhere, that of a rig here and there.
    "depth": TensorSpec((2, 28, 28), "float16", ("depth", "stereo"), _depth),
}


def read_tensor(name: str, said: Mapping[str, Feature], steps: int) -> tuple[Tensor, Tensor]:
    """Return a tensor of one camera, (T, *shape) or (*shape), and its mask, (T,) or () bool.

    `said` maps the views of one clip and camera to their features.
    """
    spec = TENSORS[name]
    for view in spec.views:
        feature = said.get(view)
        if feature is not None and feature.mask.any():
            mask = feature.mask if spec.stepped else np.array(True)  # noqa: FBT003  NumPy's
            return spec.read(feature, view), mask
    time = (steps,) if spec.stepped else ()
    return np.zeros((*time, *spec.shape), spec.dtype), np.zeros(time, bool)


def camera_vector(camera: CameraModel) -> npt.NDArray[np.float32]:
    """Return what a net is told of a calibrated camera: (12,) float32.

    The first two columns of its rotation (Zhou et al., CVPR 2019), its translation in the
    calibration's unit, the log of its focal length in picture widths, its principal point in
    picture sizes.
    """
    turn, k = np.array(camera.rotation), np.array(camera.matrix)
    lens = [np.log(k[0, 0] / camera.width), k[0, 2] / camera.width, k[1, 2] / camera.height]
    return np.array([*turn[:, 0], *turn[:, 1], *camera.translation, *lens], np.float32)
