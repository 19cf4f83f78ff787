"""What became of a model version at the promotion gates, where MLflow's page shows it.

Writes tags of the version (the newest verdict) and a table of its run (every verdict there was);
reads the tags. The version itself never changes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infra.past_runs import append_table
from infra.tracking import client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.registry import ModelVersion
    from infra.settings import Settings

GATES_TAG, GATE_PREFIX = "gates", "gate."
TABLE_FILE = "gates.json"


def record_gates(
    settings: Settings,
    model: ModelVersion,
    gates: Sequence[Mapping[str, Any]],
    compared_with: int | None = None,
) -> None:
    """Keep the verdict: the tag `gates` (JSON), `gate.NAME` for each gate, and rows of a table.

    `gate.NAME` reads "value threshold passed", or failed; "none" is a value that was not measured,
    and "not measured" in place of "passed" says that the gate lets such a version pass.
    Tags of an earlier verdict go, its rows in `gates.json` of the model's run stay.
    `compared_with` is the champion that it was judged against.
    """
    store = client(settings)
    number = str(model.version)
    tags = {f"{GATE_PREFIX}{gate['name']}": _brief(gate) for gate in gates}
    for name in model.tags:
        if name.startswith(GATE_PREFIX) and name not in tags:
            store.delete_model_version_tag(model.name, number, name)
    tags[GATES_TAG] = json.dumps(list(gates))
    for name, text in tags.items():
        store.set_model_version_tag(model.name, number, name, text)
    if gates and model.run_id:
        judged = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        rows = [_row(gate, judged, compared_with) for gate in gates]
        append_table(settings, model.run_id, rows, TABLE_FILE)


def recorded_gates(model: ModelVersion) -> list[dict[str, Any]]:
    """Return the newest verdict, [] if the version was never judged."""
    found: list[dict[str, Any]] = json.loads(model.tags.get(GATES_TAG, "[]"))
    return found


def _brief(gate: Mapping[str, Any]) -> str:
    value = "none" if gate["value"] is None else f"{gate['value']:g}"
    verdict = "passed" if gate["passed"] else "failed"
    if gate["passed"] and gate["value"] is None:
        verdict = "not measured"
    return f"{value} {gate['threshold']:g} {verdict}"


def _row(gate: Mapping[str, Any], judged: str, compared_with: int | None) -> dict[str, object]:
    row = dict(gate)
    low, high = row.pop("interval", None) or (None, None)
    champion = "nobody" if compared_with is None else f"v{compared_with}"
    return {"judged": judged, "champion": champion, **row, "low": low, "high": high}
