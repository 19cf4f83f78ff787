"""Synthesis: one camera's video from several bad sources, at twice the rate, or from the others.

Plans only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from tasks.applications.application import Application, Draft, Refused, Spec, one_a_camera
from tasks.synthesis.presets import MODEL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from infra.settings import Settings
    from tasks.applications.application import ChosenClip, Context, Maker


@dataclass(frozen=True)
class Synthesise(Application):
    """What is made of each chosen camera of a clip.

    `mode` is `fuse` (one picture of several sources of it), `rate` (twice as many frames) or
    `view` (the camera is taken to be missing, and made from the clip's others). Of `fuse` the
    sources are copies damaged on purpose, one for each of `damage`, such as `gauss:3+time_shift:2`
    by the names of corruptions; without any, the camera as it is. With `others` the clip's other
    cameras are sources too. `remake` leaves every second frame out for `rate` and makes it again.
    With damage, remade and viewed there is a truth, and quality is measured against it. `learned`
    asks the networks, which plain means beat so far (decision 0026). `side` is the shorter side of
    the video, none the source's own.
    """

    spec: ClassVar[Spec] = Spec(
        name="synthesis",
        doc="One camera from several bad sources, at twice the rate, or from the other cameras.",
        model=MODEL_NAME,
    )

    mode: Literal["fuse", "rate", "view"] = "fuse"
    damage: tuple[str, ...] = ()
    others: bool = False
    remake: bool = False
    learned: bool = False
    side: int | None = 288

    @property
    def model(self) -> str | None:
        """The networks, where they are asked: plain means need none."""
        return MODEL_NAME if self.learned else None

    def parameters(self) -> dict[str, Any]:
        """Return what was asked for."""
        return super().parameters() | {"damage": list(self.damage)}

    def resolved(self, settings: Settings) -> Self:
        """Refuse damage that there is not, before any clip is decoded.

        Raises:
            UnknownCorruptionError: no such corruption or severity.
        """
        from tasks.synthesis.fusion_sources import damage_of

        del settings
        for names in self.damage:
            damage_of(names)
        return self

    def drafts(self, clips: Iterable[ChosenClip], context: Context) -> Iterator[Draft | Refused]:
        """Plan one video a camera; its sources are the cameras that it is made from."""
        del context
        for clip, camera in one_a_camera(clips):
            others = clip.others(camera)
            needs = self.mode == "view" or (self.mode == "fuse" and len(self.damage) < 2)
            if self.mode == "rate":
                yield Draft((camera,), clip.span)
            elif needs and not (others and (self.mode == "view" or self.others)):
                detail = f"{self.mode} needs more sources than this clip has: other cameras"
                said = detail if self.mode == "view" else f"{detail} (--others) or --damage twice"
                yield Refused(camera, "too_few_sources", said)
            elif self.mode == "view" or self.others:
                yield Draft((camera, *others), clip.span)
            else:
                yield Draft((camera,), clip.span)

    def maker(self, model_folder: str | None) -> Maker:
        """Load the networks, if they are asked."""
        from tasks.applications.synthesis_maker import SynthesisMaker

        return SynthesisMaker(model_folder, self)
