"""The pages of the catalog: overview, sessions, clips, quarantine, runs, generations.

Reads the newest snapshot; writes nothing. An id from an address is only ever a parameter of SQL.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from flows.page.home_site import Paging, shelf_of
from flows.page.playable import unplayable

router = APIRouter(default_response_class=HTMLResponse)
CLIPS = 24
# What a filter may hold: a name, a word of a table.
Word = Annotated[str, Query(max_length=200)]
Number = Annotated[int, Query(ge=1, le=1 << 31)]


@router.get("/")
def overview(request: Request) -> HTMLResponse:
    """Show how much there is, what ran last, and a few sessions to begin with."""
    site, shelf = shelf_of(request)
    return site.draw(
        request,
        "overview.html",
        shelf=shelf,
        facts=shelf.row("facts"),
        sessions=shelf.rows("sessions", {"first": 0, "count": 8}),
        runs=shelf.rows("runs", {"flow": "", "first": 0, "count": 5}),
        reasons=shelf.rows("quarantine_reasons")[:5],
    )


@router.get("/sessions")
def sessions(
    request: Request,
    q: Word = "",
    split: Word = "",
    clock: Word = "",
    kind: Word = "",
    page: Number = 1,
) -> HTMLResponse:
    """Show one page of the sessions that a filter leaves."""
    site, shelf = shelf_of(request)
    asked = {"words": q.strip(), "split": split, "clock": clock, "kind": kind}
    # A page of all of them is a range of their order, wherever it lies.
    if any(asked.values()):
        counted = shelf.row("sessions_counted", asked) or {"sessions": 0}
        paging = Paging(page, counted["sessions"])
        found = shelf.rows("sessions_found", asked | _window(paging))
    else:
        paging = Paging(page, (shelf.row("facts") or {"sessions": 0})["sessions"])
        found = shelf.rows("sessions", _window(paging))
    return site.draw(
        request,
        "sessions.html",
        shelf=shelf,
        sessions=found,
        paging=paging,
        asked=asked,
        clocks=shelf.rows("clocks"),
    )


@router.get("/sessions/{session_id}")
def session(request: Request, session_id: str, page: Number = 1) -> HTMLResponse:
    """Show a session: its cameras side by side in step, and its clips."""
    site, shelf = shelf_of(request)
    found = shelf.row("session", {"session_id": session_id})
    if found is None:
        raise HTTPException(404, "There is no such session now.")
    cameras = shelf.rows("session_recordings", {"session_id": session_id})
    for camera in cameras:
        camera["unplayable"] = unplayable(camera)
    paging = Paging(page, found["clips"], CLIPS)
    clips = shelf.rows("session_clips", {"position": found["position"]} | _window(paging))
    by_name = {camera["camera_id"]: camera for camera in cameras}
    return site.draw(
        request,
        "session.html",
        shelf=shelf,
        session=found,
        cameras=cameras,
        by_name=by_name,
        clips=clips,
        paging=paging,
    )


@router.get("/clips/{clip_id}")
def clip(request: Request, clip_id: str) -> HTMLResponse:
    """Show a clip: every camera in step, what each view says of it, and what was made of it."""
    site, shelf = shelf_of(request)
    found = shelf.row("clip", {"clip_id": clip_id})
    if found is None:
        raise HTTPException(404, "There is no such clip now.")
    where = {"clip_id": clip_id, "session_id": found["session_id"]}
    views: dict[str, dict[str, str]] = {}
    for row in shelf.rows("clip_views", where | {"start_ns": found["start_ns"]}):
        views.setdefault(row["view"], {})[row["camera_id"]] = row["absent"] or ""
    cameras = [
        camera | {"unplayable": unplayable(camera)}
        for camera in shelf.rows("session_recordings", {"session_id": found["session_id"]})
        if camera["camera_id"] in found["cameras"]
    ]
    made = {"application": "", "clip_id": clip_id, "first": 0, "count": 12}
    return site.draw(
        request,
        "clip.html",
        shelf=shelf,
        clip=found,
        cameras=cameras,
        views=views,
        codes=shelf.rows("clip_codes", where),
        generations=shelf.rows("generations", made),
    )


@router.get("/quarantine")
def quarantine(
    request: Request, stage: Word = "", reason: Word = "", page: Number = 1
) -> HTMLResponse:
    """Show what was refused, and why."""
    site, shelf = shelf_of(request)
    reasons = shelf.rows("quarantine_reasons")
    total = sum(
        row["refusals"]
        for row in reasons
        if stage in ("", row["stage"]) and reason in ("", row["reason"])
    )
    paging, asked = Paging(page, total), {"stage": stage, "reason": reason}
    return site.draw(
        request,
        "quarantine.html",
        shelf=shelf,
        reasons=reasons,
        refusals=shelf.rows("quarantine", asked | _window(paging)),
        paging=paging,
        asked=asked,
    )


@router.get("/runs")
def runs(request: Request, flow: Word = "", page: Number = 1) -> HTMLResponse:
    """Show the ledger, newest run first."""
    site, shelf = shelf_of(request)
    flows = shelf.rows("run_flows")
    paging = Paging(page, sum(row["runs"] for row in flows if flow in ("", row["flow"])))
    found = shelf.rows("runs", {"flow": flow} | _window(paging))
    return site.draw(
        request, "runs.html", shelf=shelf, runs=found, flows=flows, flow=flow, paging=paging
    )


@router.get("/runs/{flow_run_id}")
def run(request: Request, flow_run_id: str) -> HTMLResponse:
    """Show one run: its counts, what it was called with, what it read."""
    site, shelf = shelf_of(request)
    found = shelf.row("run", {"flow_run_id": flow_run_id})
    if found is None:
        raise HTTPException(404, "There is no such run.")
    return site.draw(request, "run.html", shelf=shelf, run=found)


@router.get("/generations")
def generations(request: Request, application: Word = "", page: Number = 1) -> HTMLResponse:
    """Show what was made, newest first."""
    site, shelf = shelf_of(request)
    applications = shelf.rows("applications")
    total = sum(
        row["generations"] for row in applications if application in ("", row["application"])
    )
    paging = Paging(page, total, CLIPS)
    asked = {"application": application, "clip_id": ""}
    return site.draw(
        request,
        "generations.html",
        shelf=shelf,
        generations=shelf.rows("generations", asked | _window(paging)),
        applications=applications,
        application=application,
        paging=paging,
    )


@router.get("/generations/{generation_id}")
def generation(request: Request, generation_id: str) -> HTMLResponse:
    """Show a generation beside its sources, in step, with what was measured of it."""
    site, shelf = shelf_of(request)
    found = shelf.row("generation", {"generation_id": generation_id})
    if found is None:
        raise HTTPException(404, "There is no such generation.")
    sources = []
    for span in found["sources"]:
        recording = shelf.row("recording", {"recording_id": span["recording_id"]})
        if recording is not None:
            why = unplayable(recording)
            sources.append(recording | {"unplayable": why, "from_ns": span["start_ns"]})
    return site.draw(request, "generation.html", shelf=shelf, generation=found, sources=sources)


def _window(paging: Paging) -> dict[str, int]:
    return {"first": paging.first, "count": paging.size}
