"""Super-resolution: every chosen camera of a clip, larger and sharper. Plans only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.applications.application import Application, Draft, Spec, one_a_camera
from tasks.presets import MODEL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tasks.applications.application import ChosenClip, Context, Maker, Refused


@dataclass(frozen=True)
class SuperResolve(Application):
    """`input_side` is the shorter side the model is given, in pixels.

    None gives it the source as it is, and the video is larger than any truth; a number gives it
    the source brought down to that, so that what it makes can be compared.
    """

    spec: ClassVar[Spec] = Spec(
        name="super-resolution",
        doc="Every chosen camera of a clip, twice as large.",
        model=MODEL_NAME,
    )

    input_side: int | None = None

    def drafts(self, clips: Iterable[ChosenClip], context: Context) -> Iterator[Draft | Refused]:
        """Plan one video a camera."""
        del context
        for clip, camera in one_a_camera(clips):
            yield Draft((camera,), clip.span)

    def maker(self, model_folder: str | None) -> Maker:
        """Load the network."""
        from tasks.applications.super_resolution_maker import SuperResolutionMaker

        if model_folder is None:
            raise TypeError("super-resolution has a model")
        return SuperResolutionMaker(model_folder, self)
