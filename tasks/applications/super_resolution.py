"""Super-resolution: every chosen camera of a clip, larger and sharper. Plans only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt  # noqa: TC002 - read when options are checked

from tasks.applications.application import Application, Draft, Spec, one_a_camera
from tasks.superresolution.presets import MODEL_NAME, model_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tasks.applications.application import ChosenClip, Context, Maker, Refused


@dataclass(frozen=True)
class SuperResolve(Application):
    """`input_side` is the shorter side the model is given, in pixels.

    None gives it the source as it is, and the video is larger than any truth; a number gives it
    the source brought down to that, so that what it makes can be compared.

    `scale` is how many times larger. With `references` it looks at the clip's other cameras too,
    where they show what this one does; a clip of one camera is made without. `tile` is the rows of
    the source that are worked on at once, which bounds memory and changes nothing else; None works
    on all of a picture up to 720p, and on bands of a larger one.
    """

    spec: ClassVar[Spec] = Spec(
        name="super-resolution",
        doc="Every chosen camera of a clip, twice or four times as large.",
        model=MODEL_NAME,
    )

    input_side: int | None = None
    scale: Literal[2, 4] = 2
    references: bool = False
    tile: PositiveInt | None = None

    @property
    def model(self) -> str:
        """Each scale, and looking at other cameras, is a network of its own."""
        return model_name(self.scale, reference=self.references)

    def drafts(self, clips: Iterable[ChosenClip], context: Context) -> Iterator[Draft | Refused]:
        """Plan one video a camera."""
        del context
        for clip, camera in one_a_camera(clips):
            others = clip.others(camera) if self.references else ()
            yield Draft((camera, *others), clip.span)

    def maker(self, model_folder: str | None) -> Maker:
        """Load the network."""
        from tasks.applications.super_resolution_maker import SuperResolutionMaker

        if model_folder is None:
            raise TypeError("super-resolution has a model")
        return SuperResolutionMaker(model_folder, self)
