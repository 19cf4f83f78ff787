"""The worker of action recognition: reads codes and bodies, names what happens, draws it.

Reads the catalog and a clip; writes the video. What is drawn is what the rows say.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from catalog.query import rows
from infra.errors import MediaError, ModelInvalidError
from models import weights
from models.action import ActionHead
from tasks.actions.material import code_numbers
from tasks.applications.application import Maker
from tasks.applications.video import Comparison, even, sound_of, write
from tasks.codes.model import load_distiller
from tasks.decode import Scale, frames
from tasks.distiller.presets import MODEL_NAME as DISTILLER
from tasks.generation.requests import Made
from tasks.pose.joints import BONES
from tasks.views.catalogue import view_named
from tasks.views.drawing import COLOURS, to_pixels
from tasks.views.packing import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from tasks.applications.action import RecogniseActions
    from tasks.generation.requests import Request

    Pixels = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]


class ActionMaker(Maker):
    """Holds the head; the distiller's codec is loaded with the first clip of its codes."""

    def __init__(self, model_folder: str, asked: RecogniseActions) -> None:
        head = weights.load(Path(model_folder))
        if not isinstance(head, ActionHead):
            raise ModelInvalidError(
                f"{type(head).__name__} tells no actions.", command="stillhouse show models"
            )
        self._head, self._asked = head, asked
        self._nets: dict[str, Any] = {}

    def make(self, request: Request) -> Made:
        """Make one video.

        Raises:
            MediaError: the source cannot be read.
        """
        source = request.sources[0]
        clip = source.clip
        told = self._told(request)
        tracks, joints = _bodies(request)
        found = [self._row(one, request, tracks, joints) for one in told]
        width, height = even(*source.size)
        comparison = Comparison(request.span.duration_ns)
        shown = frames(
            clip.source,
            clip.recording_span,
            (Scale("frame", width, height, "rgb24"),),
            start_pts=clip.start_pts,
        )

        def video() -> Iterator[tuple[Pixels, int]]:
            empty = True
            for one in shown:
                empty = False
                t_ns = one.t_ns - clip.recording_span.start_ns
                at = request.span.start_ns + t_ns
                plain = np.ascontiguousarray(one.images["frame"])
                share = t_ns / max(request.span.duration_ns, 1)
                drawn = _drawn(plain.copy(), _at(found, at), tracks, joints, share)
                if comparison.wants(t_ns):
                    comparison.add({"source": plain, "action": drawn})
                yield drawn, t_ns
            if empty:
                raise MediaError("no frame of this clip decodes", reason="no_frames")

        written = write(request, video(), audio=sound_of(source))
        best = max(found, key=lambda row: row["score"], default=None)
        quality = {"label": best["label"], "score": best["score"]} if best else {}
        picture = comparison.write(request)
        return Made(written, width, height, quality, picture=picture, rows=tuple(found))

    def _told(self, request: Request) -> list[dict[str, Any]]:
        """Return stretches with their label: windows that follow each other and agree are one."""
        folder, clip = request.place.encoder, request.sources[0].clip
        if folder not in self._nets:
            self._nets[folder] = load_distiller(Path(folder), f"models:/{DISTILLER}")
        asked = {
            "model": DISTILLER,
            "session_ids": [clip.session_id],
            "clip_ids": [clip.clip_id],
        }
        found = rows(request.place.snapshot, "codes_to_label", asked)
        stored = {row["code_id"]: row for row in found}
        codes = [stored[one] for one in request.codes if one in stored]
        if not codes:
            raise MediaError("its codes are gone", reason="no_code")
        with torch.inference_mode():
            numbers = torch.from_numpy(code_numbers(self._nets[folder], codes))
            shares = self._head.serve(numbers).numpy()
        stretches: list[dict[str, Any]] = []
        for code, share in zip(codes, shares, strict=True):
            last = stretches[-1] if stretches else None
            if last is not None and int(share.argmax()) == last["best"]:
                last["end_ns"] = code["end_ns"]
                last["shares"].append(share)
            else:
                stretches.append(
                    {"best": int(share.argmax()), "start_ns": code["start_ns"],
                     "end_ns": code["end_ns"], "shares": [share]}
                )  # fmt: skip
        for one in stretches:
            one["share"] = np.mean(one.pop("shares"), axis=0)
        return [one for one in stretches if one["share"][one["best"]] >= self._asked.least_score]

    def _row(
        self, one: dict[str, Any], request: Request, tracks: Floats | None, joints: Floats | None
    ) -> dict[str, Any]:
        names, clip, span = self._head.config.names, request.sources[0].clip, request.span
        half = (one["start_ns"] + one["end_ns"]) / 2 - span.start_ns
        box = _of_step(tracks, half / span.duration_ns)
        body = _of_step(joints, half / span.duration_ns)
        largest = None if box is None else _largest(box)
        person = body is not None and body[0].any()
        order = np.argsort(-one["share"])
        return {
            "clip_id": clip.clip_id,
            "session_id": clip.session_id,
            "camera_id": clip.camera_id,
            "label": names[one["best"]],
            "score": float(one["share"][one["best"]]),
            "runner_up": names[int(order[1])],
            "start_ns": one["start_ns"],
            "end_ns": one["end_ns"],
            "track_id": None if largest is None else int(largest[0]),
            "box": [] if largest is None else largest[1:5].tolist(),
            "joints": body[0][:, [0, 1, 3]].ravel().tolist() if person and body is not None else [],
        }


def _bodies(request: Request) -> tuple[Floats | None, Floats | None]:
    """Return the tracks (T, N, 6) and joints (T, P, 33, 4) of a clip, None where not extracted."""
    found: dict[str, Floats] = {}
    clip, versions = request.sources[0].clip, request.given["views"]
    asked = {
        "session_id": clip.session_id,
        "clip_id": clip.clip_id,
        "camera_id": clip.camera_id,
        "views": list(versions),
        "versions": list(versions.values()),
    }
    for row in rows(request.place.snapshot, "bodies_of_clip", asked):
        feature = unpacked(view_named(row["view"]).spec, row)
        if not feature.absent:
            found[row["view"]] = feature.arrays[0].astype(np.float32)
    return found.get("tracks"), found.get("skeleton")


def _of_step(array: Floats | None, share: float) -> Floats | None:
    """Return the step at a share of the clip's time."""
    return None if array is None else array[min(max(int(share * len(array)), 0), len(array) - 1)]


def _largest(boxes: Floats) -> Floats | None:
    held = boxes[boxes[:, 0] > 0]
    if not len(held):
        return None
    sides = held[:, 3:5] - held[:, 1:3]
    found: Floats = held[sides.prod(axis=1).argmax()]
    return found


def _at(found: Sequence[dict[str, Any]], t_ns: int) -> dict[str, Any] | None:
    return next((one for one in found if one["start_ns"] <= t_ns < one["end_ns"]), None)


def _drawn(
    picture: Pixels,
    row: dict[str, Any] | None,
    tracks: Floats | None,
    joints: Floats | None,
    share: float,
) -> Pixels:
    """Draw joints, the largest box and the label onto a picture, rgb24."""
    thick = max(1, picture.shape[1] // 320)
    bodies = _of_step(joints, share)
    for slot, person in enumerate(() if bodies is None else bodies):
        if person.any():
            places = to_pixels(person[:, :2], picture)
            for one, other in BONES:
                if min(person[one, 3], person[other, 3]) > 0.5:
                    ends = (places[one].tolist(), places[other].tolist())
                    cv2.line(picture, *ends, COLOURS[slot], thick, cv2.LINE_AA)
    boxes = _of_step(tracks, share)
    box = None if boxes is None else _largest(boxes)
    if box is not None:
        low, high = to_pixels(box[1:5].reshape(2, 2), picture).tolist()
        cv2.rectangle(picture, low, high, COLOURS[2], thick)
    if row is not None:
        # The font has ASCII alone.
        label = row["label"][:40].encode("ascii", "replace").decode()
        text = f"{label} {row['score']:.2f}"
        size = max(0.35, max(picture.shape[:2]) / 900)
        (wide, high_px), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
        if wide + 12 > picture.shape[1]:
            size *= (picture.shape[1] - 12) / wide
            (wide, high_px), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thick)
        cv2.rectangle(picture, (0, 0), (wide + 12, high_px + 14), (20, 20, 20), -1)
        at = (6, high_px + 7)
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (255,) * 3, thick,
                    cv2.LINE_AA)  # fmt: skip
    return picture
