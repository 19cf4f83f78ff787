"""One row of judging a distiller: what a method made of one window.

Reads and writes nothing and needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from tasks.windows.sets import Window

MODEL = "model"

Application = Literal["target", "view", "retrieval", "dropout"]
Setting = Literal["new_rig", "same_rig"]
Piece = tuple[str, int, str, int]
APPLICATIONS: tuple[Application, ...] = get_args(Application)
SETTINGS: tuple[Setting, ...] = get_args(Setting)


@dataclass(frozen=True)
class WindowScore:
    """One method on one window: of a target camera, or of a query from some of the cameras.

    `setting` says whether the rig was seen in training, at another time. Applications: `target`
    rebuilds a camera that is among the inputs, `view` one that is not, `retrieval` finds the same
    moment through other cameras, `dropout` finds it from some of the cameras. A measure that is
    not a number is not counted: there was nothing to measure.
    """

    setting: Setting
    application: Application
    method: str  # "model" or a baseline's name
    session_id: str
    session_name: str
    clip_id: str
    first: int  # the window's first step in the clip
    camera_id: str  # that is made; of a query, those it was made of, joined by "+"
    given: int  # cameras the code was made of
    measures: dict[str, float]

    @classmethod
    def of(
        cls,
        window: Window,
        *,
        setting: Setting,
        application: Application,
        method: str,
        camera_id: str,
        given: int,
        measures: dict[str, float],
    ) -> WindowScore:
        """Return the row of a window."""
        return cls(
            setting=setting,
            application=application,
            method=method,
            session_id=window.session_id,
            session_name=window.session_name,
            clip_id=window.clip_id,
            first=window.first,
            camera_id=camera_id,
            given=given,
            measures=measures,
        )

    @property
    def piece(self) -> Piece:
        """What was scored: the window, the camera, how many cameras were given."""
        return (self.clip_id, self.first, self.camera_id, self.given)
