"""Style transfer: every chosen camera of a clip, painted. Plans only."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from infra.errors import ApplicationOptionError, InputFileError
from infra.inputs import keep_input
from tasks.applications.application import Application, Draft, Spec, one_a_camera
from tasks.style.presets import MODEL_NAME, STYLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from infra.settings import Settings
    from tasks.applications.application import ChosenClip, Context, Maker, Refused

HELP = "stillhouse generate style --help"
LEAST_SIDE = 64


@dataclass(frozen=True)
class Stylise(Application):
    """`style` is a name (pastel, ink, crayon, sepia, comic, crackle, night, oil) or a picture file.

    `strength` from 0 (the footage) to 1 mixes what is painted with the footage. `side` is the
    shorter side of the video in pixels, never above the footage's: strokes have a size of their
    own, so that they are finer on a larger picture. None paints the footage at its own size.
    """

    spec: ClassVar[Spec] = Spec(
        name="style",
        doc="Every chosen camera of a clip, painted in a style by name or in that of a picture.",
        model=MODEL_NAME,
    )

    style: str = "pastel"
    strength: float = 1.0
    side: int | None = 480

    def __post_init__(self) -> None:
        """Refuse what cannot be painted.

        Raises:
            ApplicationOptionError: naming the option.
        """
        if not 0 <= self.strength <= 1:
            raise ApplicationOptionError(f"strength is 0 to 1, not {self.strength}.", command=HELP)
        if self.side is not None and self.side < LEAST_SIDE:
            raise ApplicationOptionError(f"side is at least {LEAST_SIDE} px.", command=HELP)

    def resolved(self, settings: Settings) -> Self:
        """Return this with the picture kept by content, and read once.

        Raises:
            InputFileError: neither a style nor a picture.
            AssetMissingError, AssetCorruptError: a picture's style needs the asset `style-teacher`.
        """
        if self.style in STYLES:
            return self
        from tasks.style.pictures import style_code

        try:
            kept = keep_input(settings, Path(self.style))
        except InputFileError as error:
            raise InputFileError(
                f"{error} As a style by name there is {', '.join(STYLES)}.", command=HELP
            ) from error
        style_code(settings.assets, kept.path)
        return dataclasses.replace(self, style=kept.name)

    def drafts(self, clips: Iterable[ChosenClip], context: Context) -> Iterator[Draft | Refused]:
        """Plan one video a camera; of a picture its code travels along."""
        code = None
        if self.style not in STYLES:
            from tasks.style.pictures import style_code

            kept = keep_input(context.settings, self.style)
            code = list(style_code(context.settings.assets, kept.path))
        for clip, camera in one_a_camera(clips):
            yield Draft((camera,), clip.span, given=code)

    def maker(self, model_folder: str | None) -> Maker:
        """Load the network."""
        from tasks.applications.style_maker import StyleMaker

        if model_folder is None:
            raise TypeError("style has a model")
        return StyleMaker(model_folder, self)
