"""What Prefect shows of a flow run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId


def shown(flow_run_id: str) -> dict[str, Any]:
    """Return the artifacts of a flow run, by key."""
    mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(flow_run_id)]))
    with get_client(sync_client=True) as client:
        return {one.key: one for one in client.read_artifacts(artifact_filter=mine)}
