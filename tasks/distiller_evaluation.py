"""What came of judging a distiller: scores beside their baselines, means, tables, JSON.

Reads and writes nothing and needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MODEL = "model"

Application = Literal["target", "view", "retrieval", "dropout"]
Setting = Literal["new_rig", "same_rig"]


@dataclass(frozen=True)
class WindowScore:
    """One method on one window: of a target camera, or of a query from some of the cameras.

    `setting` says whether the rig was seen in training, at another time. Applications: `target`
    rebuilds a camera that is among the inputs, `view` one that is not, `retrieval` finds the same
    moment through other cameras, `dropout` finds it from some of the cameras.
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

    @property
    def piece(self) -> tuple[str, int, str, int]:
        """What was scored: the window, the camera, how many cameras were given."""
        return (self.clip_id, self.first, self.camera_id, self.given)
