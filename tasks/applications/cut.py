"""Cut: spans of sessions, or an edit list, as one video a camera, in sync and with sound. Plans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Self

from catalog.span import SECOND_NS, Span
from infra.errors import EditListInvalidError
from infra.inputs import keep_input
from tasks.applications.application import Application, Draft, Refused, Spec
from tasks.editing.edit_list import MAX_BYTES, MAX_NS, read_edit_list
from tasks.editing.footage import Footage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from infra.settings import Settings
    from tasks.applications.application import ChosenClip, Context, Maker
    from tasks.editing.edit_list import EditList
    from tasks.editing.footage import Session
    from tasks.editing.timeline import Shot
    from tasks.generation.requests import CameraSource

MAX_SIDE, MAX_RATE = 8192, 240
COMMAND = "stillhouse generate cut --help"


@dataclass(frozen=True)
class Cut(Application):
    """`edit_list` is a file of OpenTimelineIO; without, `start` and `end` cut the chosen sessions.

    `start` and `end` are seconds of the session clock, whole sessions unless given. `rate` (frames
    a second), `width` and `height` are of what an edit list becomes: unless given, the highest
    rate and the first shot's size.
    """

    spec: ClassVar[Spec] = Spec(
        name="cut",
        doc="Spans of sessions, or an edit list, in sync over all cameras, with sound.",
        model=None,
    )

    edit_list: str | None = None
    start: float | None = None
    end: float | None = None
    rate: float | None = None
    width: int | None = None
    height: int | None = None

    def resolved(self, settings: Settings) -> Self:
        """Keep the edit list by content, and refuse what cannot be cut.

        Raises:
            EditListInvalidError: the list, a time or a size is wrong.
        """
        for name, value, most in (
            ("rate", self.rate, MAX_RATE),
            ("width", self.width, MAX_SIDE),
            ("height", self.height, MAX_SIDE),
        ):
            if value is not None and not 0 < value <= most:
                raise EditListInvalidError(f"{name} {value}: at most {most}.", command=COMMAND)
        if (self.width is None) != (self.height is None):
            raise EditListInvalidError("Give both width and height, or none.", command=COMMAND)
        if self.edit_list is None:
            _seconds(self.start, self.end)
            return self
        if self.start is not None or self.end is not None:
            raise EditListInvalidError(
                "An edit list says itself what is cut: leave out start and end.", command=COMMAND
            )
        kept = keep_input(settings, self.edit_list, MAX_BYTES)
        read_edit_list(kept.path)
        return replace(self, edit_list=kept.name)

    def drafts(self, clips: Iterable[ChosenClip], context: Context) -> Iterator[Draft | Refused]:
        """Plan one video a camera: of each chosen session, or of the edit list."""
        if self.edit_list is None:
            yield from self._trims(clips, context)
            return
        cuts = read_edit_list(keep_input(context.settings, self.edit_list, MAX_BYTES).path)
        footage = Footage(context.snapshot, (shot.session for shot in cuts.shots))
        sessions = {shot.session: footage.session(shot.session, shot.name) for shot in cuts.shots}
        for camera in _outputs(cuts, sessions):
            yield self._program(cuts, sessions, camera)

    def maker(self, model_folder: str | None) -> Maker:
        """Return what cuts; there is no model."""
        del model_folder
        from tasks.applications.cut_maker import CutMaker

        return CutMaker()

    def _trims(self, clips: Iterable[ChosenClip], context: Context) -> Iterator[Draft | Refused]:
        """Plan the span of each chosen session, through each camera of its clips."""
        span = _seconds(self.start, self.end)
        chosen: dict[str, dict[str, CameraSource]] = {}
        for clip in clips:
            cameras = chosen.setdefault(clip.session_id, {})
            cameras |= {one.clip.camera_id: one for one in clip.wanted}
        for session_id, wanted in chosen.items():
            session = Footage(context.snapshot, [session_id]).session(session_id, "the selection")
            every = [session.cameras[name].source.clip.span for name in session.cameras]
            # Without an end: what all cameras have, so that all videos are equally long.
            start = max(one.start_ns for one in every) if span[0] is None else span[0]
            end = min(one.end_ns for one in every) if span[1] is None else span[1]
            for name, source in wanted.items():
                if end <= start or not session.cameras[name].shows(Span(start, end)):
                    own = session.cameras[name].source.clip.span
                    there = f"{own.start_ns / SECOND_NS:.3f} to {own.end_ns / SECOND_NS:.3f} s"
                    yield Refused(source, "span_outside", f"{name} was there from {there}")
                    continue
                asked = Span(start, end)
                sources, sound = _with_sound(session, name, asked)
                yield Draft(tuple(sources), asked, given={"sound": sound})

    def _program(self, cuts: EditList, sessions: dict[str, Session], camera: str | None) -> Draft:
        """Plan the edit list through one camera; shots that name one keep theirs."""
        sources: list[CameraSource] = []
        shots: list[dict[str, Any]] = []
        for number, track in enumerate(cuts.tracks):
            for shot in track:
                session = sessions[shot.session]
                name = shot.camera or camera or ""
                shown = session.camera(name, shot.name)
                own = shown.source.clip.span
                if not shown.shows(shot.session_span):
                    raise EditListInvalidError(
                        f"Edit list: {shot.name}: wants {_said(shot.session_span)} of "
                        f"{session.name!r} through {name!r}, transitions included, which was "
                        f"there from {_said(own)}.",
                        command=COMMAND,
                    )
                pair, sound = _with_sound(session, name, shot.session_span)
                heard = None if sound is None else len(sources) + sound
                shots.append(_given(shot, number, len(sources), heard))
                sources += pair
        first = sources[0]
        width, height = (self.width, self.height) if self.width else first.size
        rates = [Fraction(*one.rate) for one in sources if all(one.rate)]
        rate = _rate(self.rate) if self.rate else max(rates, default=Fraction(25))
        rate = min(rate, Fraction(MAX_RATE))
        given = {
            "shots": shots,
            "tracks": len(cuts.tracks),
            "mix": cuts.mix.kind,
            "weights": list(cuts.mix.weights),
            "duration_ns": cuts.duration_ns,
            "rate": [rate.numerator, rate.denominator],
            "size": [width, height],
            "camera": camera,
        }
        return Draft(tuple(sources), first.clip.span, given=given)


def _with_sound(session: Session, camera: str, span: Span) -> tuple[list[CameraSource], int | None]:
    """Return a camera and, where it has no sound of its own, the one it is heard by; which of both.

    A camera that is heard but was not there all the while sounds where it was.
    """
    sources, heard = [session.cameras[camera].of(span)], session.heard_by(camera)
    if heard is None:
        return sources, None
    if heard != camera:
        sources.append(session.cameras[heard].of(span))
    return sources, len(sources) - 1


def _given(shot: Shot, track: int, source: int, sound: int | None) -> dict[str, Any]:
    spans = {"span": shot.span, "rise": shot.rise, "fall": shot.fall}
    return {
        "track": track,
        "source": source,
        "sound": sound,
        "shift_ns": shot.shift_ns,
        "name": shot.name,
        **{name: [span.start_ns, span.end_ns] if span else None for name, span in spans.items()},
    }


def _outputs(cuts: EditList, sessions: dict[str, Session]) -> list[str | None]:
    """Return the cameras that every shot without one of its own has; None if all name theirs.

    Raises:
        EditListInvalidError: the shots have no camera in common.
    """
    common: list[str] | None = None
    for shot in cuts.shots:
        if shot.camera is not None:
            continue
        there = list(sessions[shot.session].cameras)
        common = there if common is None else [name for name in common if name in there]
        if not common:
            raise EditListInvalidError(
                f"Edit list: {shot.name}: its session has no camera in common with the entries "
                "before it: name a camera in each.",
                command=COMMAND,
            )
    return [None] if common is None else list(common)


def _seconds(start: float | None, end: float | None) -> tuple[int | None, int | None]:
    """Return times in nanoseconds.

    Raises:
        EditListInvalidError: one is negative, not a number or too large, or they are reversed.
    """
    most = MAX_NS / SECOND_NS
    for name, value in (("from", start), ("to", end)):
        if value is not None and not 0 <= value <= most:
            raise EditListInvalidError(
                f"--{name} {value}: 0 to {most:.0f} seconds of the session.", command=COMMAND
            )
    if start is not None and end is not None and end <= start:
        raise EditListInvalidError(f"--to {end} is not after --from {start}.", command=COMMAND)
    first, last = (None if v is None else round(v * SECOND_NS) for v in (start, end))
    return first, last


def _rate(written: float) -> Fraction:
    return Fraction(written).limit_denominator(1001)


def _said(span: Span) -> str:
    return f"{span.start_ns / SECOND_NS:.3f} to {span.end_ns / SECOND_NS:.3f} s"
