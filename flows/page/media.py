"""Pictures and video by id. Reads the archive, generated files and the catalog; writes nothing.

No path comes from an address: an id is looked up in the snapshot, and what the snapshot names is
opened as the rest of Stillhouse opens it. Contents never change under an id, so browsers keep them.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi import Path as InPath
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from flows.page.byte_ranges import requested, stream
from flows.page.home_site import Site, shelf_of
from flows.page.playable import media_type
from infra.errors import MediaError, StillhouseError

if TYPE_CHECKING:
    import io

    from catalog.page.shelf import Shelf

router = APIRouter(default_response_class=Response)
KEEP = {"cache-control": "private, max-age=86400, immutable"}
SIDES = (160, 320, 640, 1280)
Instant = Annotated[int, InPath(ge=0, le=1 << 40)]
Id = Annotated[str, InPath(max_length=200)]


@router.api_route("/media/recordings/{recording_id}", methods=["GET", "HEAD"])
def recording(request: Request, recording_id: Id) -> Response:
    """Send a recording's bytes, or a range of them, from where they lie in the archive."""
    _, shelf = shelf_of(request)
    found = _recording(shelf, recording_id)
    if found["packed"]:
        raise HTTPException(404, "It lies compressed in an archive.")
    from tasks.archives.entry import source_of
    from tasks.recordings.media import open_bytes

    try:
        file = open_bytes(
            source_of(
                found["archive_uri"], found["member"], found["byte_offset"], found["byte_size"]
            )
        )
    except (MediaError, OSError) as error:
        raise HTTPException(404, "The archive's file is not there, or may not be read.") from error
    return _sent(request, file, found["byte_size"], recording_id, media_type(found))


@router.api_route("/media/generations/{generation_id}", methods=["GET", "HEAD"])
def generation(request: Request, generation_id: Id) -> Response:
    """Send a generated video, or a range of it."""
    site, shelf = shelf_of(request)
    found = shelf.row("generation", {"generation_id": generation_id})
    path = None if found is None else _generated(site, found["uri"])
    if path is None:
        raise HTTPException(404, "There is no such video.")
    kinds = {".mp4": "video/mp4", ".webm": "video/webm"}
    kind = kinds.get(path.suffix, "application/octet-stream")
    return _sent(request, path.open("rb", buffering=0), None, generation_id, kind)


@router.get("/pictures/generations/{generation_id}")
def generation_picture(request: Request, generation_id: Id) -> Response:
    """Send the picture that shows a generation beside its source."""
    site, shelf = shelf_of(request)
    found = shelf.row("generation", {"generation_id": generation_id})
    named = None if found is None else found["picture"]
    path = None if named is None else _generated(site, named)
    if path is None or path.suffix not in (".jpg", ".png"):
        raise HTTPException(404, "There is no such picture.")
    kind = "image/png" if path.suffix == ".png" else "image/jpeg"
    return Response(path.read_bytes(), media_type=kind, headers=KEEP)


@router.get("/pictures/recordings/{recording_id}/{at_ms}")
def still(
    request: Request, recording_id: Id, at_ms: Instant, side: Annotated[int, Query()] = 320
) -> Response:
    """Send the frame that a recording shows at an instant of its own clock, as JPEG."""
    site, shelf = shelf_of(request)
    found = _recording(shelf, recording_id)
    wanted = min(SIDES, key=lambda one: abs(one - side))
    at_ns = min(at_ms * 1_000_000, max(0, found["duration_ns"] - 1))

    def made() -> bytes:
        with site.decoding:
            return _still(shelf, found, at_ns, wanted)

    picture = site.pictures.get((recording_id, at_ns, wanted), made)
    return Response(picture, media_type="image/jpeg", headers=KEEP)


@router.get("/pictures/sheets/{clip_id}")
def sheet(request: Request, clip_id: Id) -> Response:
    """Send the contact sheet of a clip: what every view says of it, as PNG."""
    site, shelf = shelf_of(request)
    if shelf.row("clip", {"clip_id": clip_id}) is None:
        raise HTTPException(404, "There is no such clip now.")

    def made() -> bytes:
        from tasks.extraction.contact_sheet import draw_clip

        with site.drawing, tempfile.TemporaryDirectory(prefix="stillhouse-page-") as folder:
            target = Path(folder) / "sheet.png"
            draw_clip(site.settings, clip_id, target)
            return target.read_bytes()

    try:
        picture = site.pictures.get(("sheet", clip_id, shelf.snapshot.digest), made)
    except StillhouseError as error:
        raise HTTPException(404, str(error)) from error
    return Response(picture, media_type="image/png", headers={"cache-control": "private, no-cache"})


def _recording(shelf: Shelf, recording_id: str) -> dict[str, Any]:
    found = shelf.row("recording", {"recording_id": recording_id})
    if found is None:
        raise HTTPException(404, "There is no such recording now.")
    return found


def _still(shelf: Shelf, found: dict[str, Any], at_ns: int, side: int) -> bytes:
    """Return a frame of the archive, or the thumbnail that is kept where it cannot be read."""
    from tasks.clocks.clock import CameraClock
    from tasks.recordings.stills import kept_still, still

    try:
        return still(found, at_ns, side)
    except (MediaError, OSError) as error:
        clock = CameraClock(found["offset_ns"] or 0, found["drift_ppb"] or 0)
        at_session = clock.to_session(at_ns)
        kept = shelf.row(
            "thumbnail",
            {
                "session_id": found["session_id"],
                "camera_id": found["camera_id"],
                "at_ns": at_session,
            },
        )
        if kept is None:
            raise HTTPException(404, "Neither the archive nor a thumbnail shows it.") from error
        return kept_still(kept, at_session, found)


def _generated(site: Site, uri: str) -> Path | None:
    """Return a file of the home's generations by what a row calls it, None if it is none.

    By its name alone: a home that was moved still has its files, and no row leads elsewhere.
    """
    folder = site.settings.generations.resolve()
    path = (folder / Path(uri).name).resolve()
    return path if path.parent == folder and path.is_file() else None


def _sent(
    request: Request, file: io.RawIOBase | io.BytesIO, size: int | None, name: str, kind: str
) -> Response:
    there, tag = file.seek(0, os.SEEK_END), f'"{name}"'
    if size is not None and there != size:
        file.close()
        raise HTTPException(409, "The archive's file has changed since it was ingested.")
    # A range of what another version had would not fit.
    is_same = request.headers.get("if-range", tag) == tag
    try:
        part = requested(request.headers.get("range") if is_same else None, there)
    except ValueError:
        file.close()
        return Response(status_code=416, headers={"content-range": f"bytes */{there}"})
    start, end = part or (0, there)
    headers = KEEP | {"accept-ranges": "bytes", "content-length": str(end - start), "etag": tag}
    if part:
        headers["content-range"] = f"bytes {start}-{end - 1}/{there}"
    status = 206 if part else 200
    if request.method == "HEAD":
        file.close()
        return Response(status_code=status, headers=headers, media_type=kind)
    return StreamingResponse(stream(file, start, end), status, headers, kind)
