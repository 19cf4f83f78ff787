"""The command: one JSON object on stdout, one clear sentence on stderr, exit codes that mean it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from registered_models import register_depth

from catalog.schemas.registry import TABLES
from flows.cli import main
from infra.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Road

    Command = Callable[..., "Ran"]

LEDGER = {
    *("flow_run_id", "snapshot", "inputs", "done", "cached", "quarantined", "failed", "pending"),
    *("frames_header", "frames_decoded", "frames_bad", "bytes_in", "bytes_out"),
    *("seconds", "peak_rss_bytes"),
}


class Ran:
    """What one invocation printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> dict:
        """The one object on stdout; anything else there is an error."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def stillhouse(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    prefect_server: None,  # noqa: ARG001  flows find it running
) -> Command:
    """Return a function that runs the command in this process."""

    def run(home: Path | str, *arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["stillhouse", "--home", str(home), *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Ran(int(ended.value.code or 0), printed.out, printed.err)

    return run


def test_json_is_one_object_with_the_whole_ledger(stillhouse: Command, road: Road) -> None:
    """Ingest --json has every field of the contract, and exit code 3 where a file was refused."""
    ran = stillhouse(road.home, "ingest", str(road.truth.folder), "--json")
    assert ran.code == 3
    assert set(ran.json) >= LEDGER
    assert {"recordings", "sessions", "clips", "duplicates"} <= set(ran.json)


def test_sql_answers_in_json_and_in_a_table(stillhouse: Command, road: Road) -> None:
    """The question of the README gives columns and rows."""
    query = "select status, count(*) from recordings group by 1 order by 1"
    found = stillhouse(road.home, "sql", query, "--json").json
    assert found["columns"] == ["status", "count_star()"]
    assert [row[0] for row in found["rows"]] == ["ok", "salvaged"]
    assert "salvaged" in stillhouse(road.home, "sql", query).out


@pytest.mark.parametrize(
    "what",
    ["", "models", *TABLES],
)
def test_show_shows_everything_there_is(stillhouse: Command, road: Road, what: str) -> None:
    """Every table and the models can be looked at, in JSON too."""
    ran = stillhouse(road.home, "show", *([what] if what else []), "--json")
    assert ran.code == 0
    # This archive has no copies, no manifest gave it labels, no distiller has been trained, and
    # nothing was judged under damage.
    none = (
        "duplicates",
        "labels",
        "label_spans",
        "actions",
        "codes",
        "code_versions",
        "robustness",
    )
    assert bool(ran.json["rows"]) == (what not in none)
    assert all(len(row) == len(ran.json["columns"]) for row in ran.json["rows"])


def test_show_explains_a_tables_columns(stillhouse: Command, tmp_path: Path) -> None:
    """--schema gives each column with a sentence."""
    found = stillhouse(tmp_path, "show", "recordings", "--schema", "--json").json
    assert all(row[-1] for row in found["rows"])


def test_assets_and_doctor_answer(stillhouse: Command, road: Road) -> None:
    """The doctor finds this home sound but for sample footage that is not fetched."""
    assets = stillhouse(road.home, "assets", "list", "--json").json
    assert "mobilenetv2" in {row[0] for row in assets["rows"]}
    checks = stillhouse(road.home, "doctor", "--json").json["checks"]
    assert {c["name"] for c in checks if not c["ok"]} <= {"assets", "disk"}
    assert all(set(c) == {"name", "ok", "detail", "fix"} for c in checks)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["ingest", "/no/such/folder"], 2, "does not exist"),
        (["extract"], 1, "no clips yet"),
        (["extract", "--views", "smell"], 2, "no view 'smell'"),
        (["distill"], 1, "no clips yet"),
        (["distill", "--preset", "huge"], 2, "no preset 'huge'"),
        (["distill", "--resume"], 2, "No trained model waits"),
        (["evaluate"], 1, "no model"),
        (["evaluate", "--robustness", "all"], 2, "there are core, full"),
        (["evaluate", "--robustness", "core", "--severities", "x"], 2, "1 to 5, not x"),
        (["distill", "--method", "boiling"], 2, "no method 'boiling'"),
        (["distill", "--method", "refine"], 1, "No codes of the model 'distiller'"),
        (["distill", "--method", "coreset"], 2, "--bytes says how much"),
        (["promote"], 1, "no model"),
        (["promote", "--rollback"], 1, "no champion before"),
        (["promote", "--rollback", "--version", "3"], 2, "takes no version"),
        (["generate", "teleportation"], 2, "no application 'teleportation'"),
        (["generate", "super-resolution"], 2, "no clip"),
        (["generate", "super-resolution", "--select", "selec 1"], 2, "syntax error"),
        (["sql", "drop table recordings"], 2, "One statement that reads"),
        (["sql", "select * from read_text('/etc/hostname')"], 2, "/etc/hostname"),
        (["show", "feelings"], 2, "nothing called 'feelings'"),
        (["assets", "burn"], 2, "list or fetch"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_a_command(
    stillhouse: Command, tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    """In an empty home each wrong request ends with its code, its reason, and what to run."""
    ran = stillhouse(tmp_path / "home", *arguments, "--json")
    assert ran.code == code, ran.err
    assert sentence in ran.json["message"]
    assert ran.json["command"]
    assert "Traceback" not in ran.err


def test_an_empty_archive_is_refused(stillhouse: Command, tmp_path: Path) -> None:
    """A folder with nothing but sidecars has nothing to ingest."""
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "notes.txt").write_text("no footage here")
    ran = stillhouse(tmp_path / "home", "ingest", str(tmp_path / "archive"))
    assert ran.code == 2
    assert "holds no recording" in ran.err


def test_without_a_champion_nothing_is_generated(
    stillhouse: Command, road: Road, tmp_path: Path
) -> None:
    """A home with clips but no promoted model says which command makes one."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "catalog").symlink_to(Path(road.home) / "catalog")
    ran = stillhouse(home, "generate", "super-resolution", "--json")
    assert ran.code == 1
    assert "promote" in ran.json["command"]


def test_promotion_names_the_gates_that_refuse_and_goes_back(
    stillhouse: Command, tmp_path: Path
) -> None:
    """Exit code 1 with the failing gates, in words and in JSON; then back to the one before."""
    settings = Settings(home=tmp_path / "home")
    for key, abs_rel in (("good", 0.2), ("better", 0.1), ("worse-than", 0.4)):
        register_depth(settings, key, abs_rel)
    for version in ("1", "2"):
        assert stillhouse(settings.home, "promote", "depth", "--version", version).code == 0
    ran = stillhouse(settings.home, "promote", "depth", "--json")
    assert ran.code == 1
    assert (ran.json["version"], ran.json["champion_after"]) == (3, 2)
    failed = [gate["name"] for gate in ran.json["gates"] if not gate["passed"]]
    assert f"refused by {', '.join(failed)}" in ran.err
    assert {"name", "value", "threshold", "passed", "bound", "interval", "said"} == set(
        ran.json["gates"][0]
    )
    back = stillhouse(settings.home, "promote", "depth", "--rollback", "--json")
    assert back.code == 0
    assert (back.json["champion_before"], back.json["champion_after"]) == (2, 1)
    assert back.json["rolled_back"]
    assert stillhouse(settings.home, "promote", "depth", "--rollback").code == 1


def test_an_export_is_a_manifest_in_json(stillhouse: Command, road: Road, tmp_path: Path) -> None:
    """Its files and ports stand beside the ledger; a model that is not there is said."""
    folder = tmp_path / "onnx"
    ran = stillhouse(
        road.home, "export", "models:/super-resolution/1", "--to", str(folder), "--json"
    )
    assert ran.code == 0, ran.err
    found = ran.json
    assert set(found) == LEDGER | {"folder", "manifest"}
    assert found["inputs"] == found["done"] == 1
    manifest = found["manifest"]
    assert manifest == json.loads((folder / "manifest.json").read_text())
    assert [one["file"] for one in manifest["files"]] == ["fp32.onnx"]
    assert manifest["int8"] is None
    ran = stillhouse(road.home, "export", "models:/student/7", "--to", str(folder), "--json")
    assert ran.code == 1
    assert ran.json["error"] == "ModelNotFoundError"


def test_a_selection_that_matches_nothing_is_refused(stillhouse: Command, road: Road) -> None:
    """An empty selection is a mistake, not a success."""
    select = "select clip_id from current_clips where false"
    ran = stillhouse(road.home, "generate", "super-resolution", "--select", select, "--json")
    assert ran.code == 2
    assert ran.json["error"] == "SelectionEmptyError"


def test_a_disk_without_room_stops_before_anything_is_written(
    stillhouse: Command, road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the least free space nothing starts."""
    monkeypatch.setenv("STILLHOUSE_MIN_FREE_BYTES", str(1 << 60))
    ran = stillhouse(tmp_path / "home", "ingest", str(road.truth.folder))
    assert ran.code == 1
    assert "MiB free" in ran.err
    assert not (tmp_path / "home" / "catalog").exists()


def test_help_answers_quickly_and_has_an_example_for_each_command() -> None:
    """Every command explains itself with something to copy, without importing an engine."""
    command = [str(Path(sys.executable).parent / "stillhouse")]
    listed = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    for name in (
        "demo",
        "ingest",
        "extract",
        "distill",
        "evaluate",
        "promote",
        "generate",
        "sql",
        "show",
    ):
        assert name in listed
        done = subprocess.run(
            [*command, name, "--help"], capture_output=True, text=True, check=True
        )
        assert "Example: stillhouse" in done.stdout
    engines = "('torch', 'ray', 'prefect', 'mlflow', 'duckdb')"
    code = f"import sys, flows.cli; print([m for m in {engines} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
