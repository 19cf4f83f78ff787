"""Flow *ingest*: one archive into the catalog. Reads the archive, writes tables of the catalog."""

from __future__ import annotations

from typing import Any

from prefect import flow

from infra.settings import load_settings
from tasks.ingest.plan import plan_ingest
from tasks.ingest.recordings import scan_recordings
from tasks.runs.record import flow_record
from tasks.sessions.sessions import form_sessions


@flow(name="ingest", validate_parameters=False)
def ingest(archive: str, home: str | None = None) -> dict[str, Any]:
    """Bring one archive into the catalog. Safe to run again: what is known is not read again."""
    settings = load_settings(home)
    with flow_record("ingest", settings, {"archive": archive}) as run:
        plan = plan_ingest(archive, run)
        fingerprints = scan_recordings(plan, run)
        form_sessions(plan, fingerprints, run)
    return run.report
