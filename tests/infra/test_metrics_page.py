"""The documentation names every metric, with its kind, labels, unit and meaning, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from infra.log_lines import LineFormatter
from infra.metrics import METRICS

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "observability.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_table_is_the_declaration() -> None:
    """A metric that is added, renamed or meant otherwise is so on the page too."""
    declared = {
        f"| `{one.name}` | {one.kind} | {', '.join(one.labels)} | {one.unit} | {one.doc} |"
        for one in METRICS.values()
    }
    said = {line for line in TEXT.splitlines() if line.startswith("| `stillhouse_")}
    assert said == declared


def test_examples_ask_for_metrics_and_labels_that_there_are() -> None:
    """In queries and alerts too; names follow Prometheus's rules."""
    for name, labels in re.findall(r"(stillhouse_\w+)(?:\{([^}]*)\})?", TEXT):
        metric = METRICS[name]
        assert set(re.findall(r"(\w+)=", labels)) <= set(metric.labels)
    for one in METRICS.values():
        assert (one.kind == "counter") == one.name.endswith("_total")
        assert one.doc.endswith(".")
        for unit in ("seconds", "bytes"):
            assert (unit in one.name) == one.unit.startswith(unit)


def test_configurations_are_yaml() -> None:
    """Whoever copies them has something that parses, a rule an alert."""
    found = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    scrape, alerts = (yaml.safe_load(one) for one in found)
    assert {job["job_name"] for job in scrape["scrape_configs"]} == {"stillhouse", "ray"}
    rules = alerts["groups"][0]["rules"]
    assert all(rule["alert"] and rule["expr"] for rule in rules)


def test_every_field_of_a_line_is_explained() -> None:
    """The fields that a line may have besides its facts."""
    source = Path(__import__(LineFormatter.__module__, fromlist=["x"]).__file__).read_text("utf-8")
    for field in ("time", "level", "event", "trace"):
        assert f'"{field}"' in source
        assert f"| `{field}` |" in TEXT
