"""Edit: a region marked once is replaced, recoloured, blurred or removed in every camera. Plans."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from catalog.query import rows
from catalog.span import SECOND_NS
from infra.assets import member_path
from infra.errors import AssetMissingError, RegionInvalidError
from infra.inputs import keep_input
from tasks.applications.application import Application, Draft, Refused, Spec
from tasks.editing.changes import parse_colour, read_picture
from tasks.editing.marks import MAX_BYTES, Box, read_mask
from tasks.rigs.calibration import Calibration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from infra.settings import Settings
    from tasks.applications.application import ChosenClip, Context, Maker
    from tasks.generation.requests import CameraSource

COMMAND = "stillhouse generate edit --help"
# Cameras that help to tell how far away the region is, besides the two that are asked about.
HELPERS = 2
ASSET = "mobilenetv2"
_FILES = ("mask", "picture", "weights")


@dataclass(frozen=True)
class Edit(Application):
    """A region of one frame of one camera, and what is done to it.

    `box` is `x,y,w,h` in pixels around an object (`exact`: the rectangle itself), `mask` a PNG of
    the frame's size; `camera` the camera it is on (the first unless given), `at` the second of
    the session's clock (each clip's first frame unless given). `colour` (`#rrggbb`) recolours, or
    replaces where no `picture` does. `weights` is found by itself: of the asset `mobilenetv2`,
    whose features help to follow people; without the asset edits are made without.
    """

    spec: ClassVar[Spec] = Spec(
        name="edit",
        doc="A region marked on one frame of one camera, changed in all frames and cameras.",
        model=None,
    )

    change: Literal["replace", "recolour", "blur", "remove"] = "blur"
    box: str | None = None
    mask: str | None = None
    camera: str | None = None
    at: float | None = None
    exact: bool = False
    colour: str = "#808080"
    picture: str | None = None
    weights: str | None = None

    def resolved(self, settings: Settings) -> Self:
        """Keep the files by content, and refuse what cannot be a mark or a change.

        Raises:
            RegionInvalidError: the mark, the colour or the picture is wrong.
            InputFileError: a file cannot be read.
        """
        if (self.box is None) == (self.mask is None):
            raise RegionInvalidError(
                "Mark a region with a box or a mask, not both.", command=COMMAND
            )
        if self.box is not None:
            Box.parse(self.box)
        if self.at is not None and not 0 <= self.at < 1e9:
            raise RegionInvalidError(f"--at {self.at}: seconds of the session.", command=COMMAND)
        parse_colour(self.colour)
        kept = {
            name: str(keep_input(settings, value, MAX_BYTES).path)
            for name in ("mask", "picture")
            if (value := getattr(self, name)) is not None
        }
        if "picture" in kept:
            if self.change != "replace":
                raise RegionInvalidError("Only replacing takes a picture.", command=COMMAND)
            read_picture(Path(kept["picture"]))
        return replace(
            self,
            mask=kept.get("mask"),
            picture=kept.get("picture"),
            weights=_weights(settings),
        )

    def parameters(self) -> dict[str, Any]:
        """Return the options; files by the names they are kept under, wherever the home is."""
        named = {
            name: Path(value).name for name in _FILES if (value := getattr(self, name)) is not None
        }
        return {**asdict(self), **named}

    def drafts(self, clips: Iterable[ChosenClip], context: Context) -> Iterator[Draft | Refused]:
        """Plan one video a camera of each clip that holds the mark.

        Raises:
            RegionInvalidError: the mark is not inside the frame it is on.
        """
        at_ns = None if self.at is None else round(self.at * SECOND_NS)
        for clip in clips:
            cameras = {one.clip.camera_id: one for one in clip.cameras}
            marked = clip.cameras[0] if self.camera is None else cameras.get(self.camera)
            if marked is None:
                there = ", ".join(cameras)
                yield Refused(clip.wanted[0], "camera_missing", f"no {self.camera}: {there}")
                continue
            if at_ns is not None and not clip.span.contains(at_ns):
                yield Refused(clip.wanted[0], "mark_elsewhere", f"{self.at} s is not in this clip")
                continue
            self._fits(marked)
            models = _calibrated(context, clip.clip_id, cameras)
            for camera in clip.wanted:
                yield self._draft(camera, marked, clip, at_ns, models)

    def maker(self, model_folder: str | None) -> Maker:
        """Return what edits; there is no model."""
        del model_folder
        from tasks.applications.edit_maker import EditMaker

        return EditMaker(self)

    def _fits(self, marked: CameraSource) -> None:
        if self.box is not None:
            Box.parse(self.box).mask(marked.size)
        elif self.mask is not None:
            read_mask(Path(self.mask), marked.size)

    def _draft(
        self,
        camera: CameraSource,
        marked: CameraSource,
        clip: ChosenClip,
        at_ns: int | None,
        models: dict[str, str],
    ) -> Draft:
        sources = [camera]
        if camera.clip.camera_id != marked.clip.camera_id:
            sources.append(marked)
            taken = {camera.clip.camera_id, marked.clip.camera_id}
            more = [one for one in clip.cameras if one.clip.camera_id not in taken]
            sources += [one for one in more if one.clip.camera_id in models][:HELPERS]
        known = {one.clip.camera_id: models.get(one.clip.camera_id) for one in sources}
        given = {
            "marked": min(1, len(sources) - 1),
            "at_ns": clip.span.start_ns if at_ns is None else at_ns,
            "cameras": [known[one.clip.camera_id] for one in sources],
        }
        return Draft(tuple(sources), clip.span, given=given)


def _weights(settings: Settings) -> str | None:
    """Return where the features' weights are, if they were fetched."""
    try:
        return str(member_path(settings.assets, ASSET, f"{ASSET}.safetensors"))
    except AssetMissingError:
        return None


def _calibrated(context: Context, clip_id: str, cameras: dict[str, CameraSource]) -> dict[str, str]:
    """Return the calibrated cameras of a clip, as JSON."""
    found = rows(context.snapshot, "rig_cameras", {"clip_ids": [clip_id]})
    if not found:
        return {}
    matched = Calibration.from_json(found[0]["calibration"]).matched(cameras)
    return {name: Calibration((model,)).to_json() for name, model in matched.items()}
