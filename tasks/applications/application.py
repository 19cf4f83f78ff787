"""What every application is: what it needs, which videos it plans, and who makes one.

Reads and writes nothing itself. An application is a frozen dataclass whose fields are what a user
may ask for; it plans in the driver, without torch, and travels to the workers, where it gives the
`Maker` that holds the model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from catalog.snapshot import Snapshot
    from catalog.span import Span
    from catalog.table import Table
    from infra.registry import ModelVersion
    from infra.settings import Settings
    from tasks.generation.requests import CameraSource, Made, Request


@dataclass(frozen=True, slots=True)
class Spec:
    """What an application is and needs.

    `model` is the registered model that serves it, None if it needs none. A clip with fewer than
    `least_cameras` is refused. `table` holds what it finds out besides making a video.
    """

    name: str
    doc: str
    model: str | None
    least_cameras: int = 1
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class ChosenClip:
    """A clip that a user chose: all its cameras, and those of them that were asked for."""

    cameras: tuple[CameraSource, ...]
    wanted: tuple[CameraSource, ...]

    @property
    def clip_id(self) -> str:
        """The clip's id."""
        return self.cameras[0].clip.clip_id

    @property
    def session_id(self) -> str:
        """Its session's."""
        return self.cameras[0].clip.session_id

    @property
    def span(self) -> Span:
        """Its span on the session clock."""
        return self.cameras[0].clip.span

    def others(self, camera: CameraSource) -> tuple[CameraSource, ...]:
        """Return the cameras of the clip but one."""
        return tuple(one for one in self.cameras if one.clip.camera_id != camera.clip.camera_id)


@dataclass(frozen=True, slots=True)
class Context:
    """What an application may look at while it plans."""

    settings: Settings
    snapshot: Snapshot
    model: ModelVersion | None


@dataclass(frozen=True, slots=True)
class Draft:
    """One video that an application would make; `given` is part of its id and reaches its worker.

    The first of `sources` is the one its row stands under. `place` reaches the worker too and is
    no part of the id: where in this home it finds what the codes and `given` name.
    """

    sources: tuple[CameraSource, ...]
    span: Span
    codes: tuple[str, ...] = ()
    given: Any = None
    place: Any = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A clip of which no video can be made, and why: a row of quarantine."""

    source: CameraSource
    reason: str
    detail: str


class Maker(ABC):
    """Makes videos in a worker; holds the model, which is loaded once."""

    @abstractmethod
    def make(self, request: Request) -> Made:
        """Make one video.

        Raises:
            MediaError: the source cannot be read; it becomes a row of quarantine.
        """


class Application(ABC):
    """A use of the archive that ends in video. Its fields are its options, all of them JSON."""

    spec: ClassVar[Spec]

    @property
    def model(self) -> str | None:
        """The registered model that serves what was asked for: the one of `spec`, unless said."""
        return self.spec.model

    def parameters(self) -> dict[str, Any]:
        """Return what was asked for: it is in the id of each generation, and in its row."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]  # each is a dataclass

    def resolved(self, settings: Settings) -> Self:
        """Return this with every file it names kept by content (`infra.inputs`).

        Raises:
            UsageError: a file cannot be used.
        """
        del settings
        return self

    @abstractmethod
    def drafts(self, clips: Iterable[ChosenClip], context: Context) -> Iterator[Draft | Refused]:
        """Plan the videos of a selection; asked twice, and answers the same in the same order."""

    @abstractmethod
    def maker(self, model_folder: str | None) -> Maker:
        """Load what makes videos; called once in each worker."""


def one_a_camera(clips: Iterable[ChosenClip]) -> Iterator[tuple[ChosenClip, CameraSource]]:
    """Yield every camera that was asked for, with its clip."""
    for clip in clips:
        for camera in clip.wanted:
            yield clip, camera
