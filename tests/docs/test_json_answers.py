"""The fields that pages of commands tell of are those that commands print, none more or less."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from registered_distillers import register_distiller

from catalog.query import run
from catalog.store import Catalog
from flows.cli import main
from flows.reindex import reindex
from infra.settings import Settings

if TYPE_CHECKING:
    from conftest import Road

ANSWERS = tomllib.loads(
    (Path(__file__).parents[2] / "docs" / "json_answers.toml").read_text("utf-8")
)
# Asked by no test here: each takes minutes, a server, or a trained model.
UNASKED = {"demo", "deploy", "evaluate", "evaluate --robustness --dry-run", "export"}
SELECT = ["--select", "select clip_id from current_clips limit 1"]
ASKED = {
    "ingest --dry-run": ["ingest", "{archive}", "--dry-run"],
    "extract --dry-run": ["extract", "--dry-run"],
    "reindex --dry-run": ["reindex", "--dry-run"],
    "label --dry-run": ["label", "{labels}", "--dry-run"],
    "generate --dry-run": ["generate", "cut", "--to", "0.4", "--dry-run", *SELECT],
    "distill --method refine --dry-run": ["distill", "--method", "refine", "--dry-run"],
    "distill --method coreset": ["distill", "--method", "coreset", "--bytes", "100000"],
    "search": ["search", "--clip", "{clip}"],
    "search --duplicates": ["search", "--duplicates"],
    "map": ["map"],
    "sql": ["sql", "select 1 as one"],
    "show": ["show"],
    "show clip": ["show", "clip", "{clip}"],
    "explain": ["explain", "{clip}", "flow"],
    "doctor": ["doctor"],
    "assets": ["assets"],
    "error": ["show", "feelings"],
}


def differences(key: str, printed: set[str]) -> list[str]:
    """Return what is printed and not told of, and what is told of and not printed."""
    told = dict(ANSWERS[key])
    names = set(told) | (set(ANSWERS["ledger"]) if told.pop("ledger", False) else set())
    names.discard("ledger")
    sometimes = {name[:-1] for name in names if name.endswith("?")}
    always = {name for name in names if not name.endswith("?")}
    unknown = {n for n in printed - always if not any(fnmatchcase(n, p) for p in sometimes)}
    return [f"not told of: {n}" for n in sorted(unknown)] + [
        f"not printed: {n}" for n in sorted(always - printed)
    ]


@pytest.fixture(scope="module")
def coded(road: Road, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, Any]]:
    """The road's catalog with codes of an untrained distiller, and what reindex reported."""
    folder = tmp_path_factory.mktemp("coded")
    home = folder / "home"
    home.mkdir()
    (home / "assets").symlink_to(road.settings.assets.resolve())
    shutil.copytree(road.settings.root / "catalog", home / "catalog")
    settings = Settings(home=home, cpus=1)
    register_distiller(settings, folder / "first", seed=1)
    return settings, reindex(None, str(home))


def test_every_answer_is_asked_for() -> None:
    """A page that tells of an answer has a test that asks for it."""
    of_the_road = {"ingest", "extract", "distill", "promote", "generate", "reindex", "label"}
    assert set(ANSWERS) == {"ledger", *of_the_road, *ASKED, *UNASKED}


@pytest.mark.parametrize("name", ["ingest", "extract", "distill", "promote", "generate"])
def test_reports_of_flows_are_as_told(road: Road, name: str) -> None:
    """`--json` prints the flow's report as it is."""
    assert not differences(name, set(road.reports[name]))


def test_reports_of_reindex_and_label_are_as_told(
    coded: tuple[Settings, dict[str, Any]], tmp_path: Path
) -> None:
    """Those of flows that the road does not run."""
    from flows.label import label

    settings, report = coded
    assert not differences("reindex", set(report))
    file = tmp_path / "labels.csv"
    file.write_text("session,label\ntake_1,walk\n")
    assert not differences("label", set(label(str(file), str(settings.root))))


@pytest.mark.parametrize("key", ASKED)
def test_answers_of_commands_are_as_told(
    key: str,
    coded: tuple[Settings, dict[str, Any]],
    road: Road,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each is one object, with the fields that its page names."""
    settings, _ = coded
    labels = tmp_path / "labels.csv"
    labels.write_text("session,label\ntake_1,walk\n")
    sql = "select any_value(clip_id) as clip_id from current_codes"
    clip = run(Catalog(settings.catalog).snapshot(), sql)["clip_id"][0].as_py()
    names = {"archive": str(road.truth.folder), "labels": str(labels), "clip": clip}
    words = [word.format(**names) for word in ASKED[key]]
    monkeypatch.setattr(sys, "argv", ["stillhouse", "--home", str(settings.root), *words, "--json"])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main()
    assert not differences(key, set(json.loads(capsys.readouterr().out)))


def test_a_field_too_many_or_too_few_is_found() -> None:
    """What is told of and what is printed are held against each other in both directions."""
    assert differences("sql", {"columns", "rows", "numbers", "shape"}) == [
        "not told of: shape",
        "not printed: truncated",
    ]
    always = {name for name in ANSWERS["ledger"] if not name.endswith("?")}
    assert not differences("extract", {"cpu_flow_s", "cpu_decode_s", *always})
