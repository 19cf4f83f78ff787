"""The house as DESIGN draws it: five rooms, one arrow, one reader of the environment."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("flows", "tasks", "models", "catalog", "infra")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "manager"}
LONGEST_FILE = 320
# Where the functions, classes and items are defined that Ray's processes are given.
WORKED = (
    "tasks.ingest.scan",
    "tasks.extraction.clip_work",
    "tasks.extraction.extractor",
    "tasks.extraction.rig_extractor",
    "tasks.codes.coding",
    "tasks.codes.clip_encoder",
    "tasks.codes.refining",
    "tasks.codes.clip_refiner",
    "tasks.applications.worker",
    "tasks.robustness.cells",
    "tasks.robustness.clips",
    "tasks.robustness.codes",
    "tasks.training.recipes",
)


def imports(path: Path) -> set[str]:
    """Return the top-level packages a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: absolute imports only"
            found.add(node.module.split(".")[0])
    return found


def test_the_contracts_between_the_rooms_hold() -> None:
    """import-linter finds no import against the arrow, hidden in functions or not."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("package", "rooms", "files"),
    [
        (
            "av",
            (),
            (
                "tasks/decode.py",
                "tasks/mux.py",
                "tasks/containers/encoders.py",
                "tasks/synthesis/interpolation.py",
            ),
        ),
        ("mlflow", ("infra",), ()),
        ("prefect", ("flows", "tasks"), ()),
        ("ray", ("tasks", "infra"), ()),
        ("torch", ("tasks", "models", "infra"), ()),
        ("duckdb", ("catalog",), ()),
        ("deltalake", ("catalog",), ()),
    ],
)
def test_each_engine_is_spoken_to_in_its_own_place(
    package: str, rooms: tuple[str, ...], files: tuple[str, ...]
) -> None:
    """A library that shapes the house is imported only where the house says."""
    for path in SOURCES:
        place = path.relative_to(ROOT).as_posix()
        if package in imports(path):
            allowed = place in files or place.startswith(tuple(f"{room}/" for room in rooms))
            assert allowed, place


def test_workers_need_neither_prefect_nor_mlflow() -> None:
    """What Ray's processes import is theirs alone: Prefect would be 1.6 s of CPU for each."""
    code = f"""
import importlib, sys
for name in {WORKED}:
    importlib.import_module(name)
print(sorted({{"prefect", "mlflow"}} & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_only_settings_reads_the_environment() -> None:
    """Every other file is given its settings as arguments."""
    for path in SOURCES:
        place = path.relative_to(ROOT).as_posix()
        if place != "infra/settings.py":
            text = path.read_text(encoding="utf-8")
            assert not any(word in text for word in ("os.environ", "getenv")), place


def test_nothing_is_unpickled() -> None:
    """Weights are safetensors; no file of ours opens a pickle."""
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for word in ("import pickle", "allow_pickle=True", "weights_only=False", "torch.hub"):
            assert word not in text, f"{path}: {word}"


def test_names_say_what_is_inside() -> None:
    """No file is called utils, and none hides a standard module or a room."""
    for path in SOURCES:
        assert path.stem not in FORBIDDEN_NAMES, path
        if path.stem != "__init__":
            assert path.stem not in sys.stdlib_module_names, path
            assert path.stem not in ROOMS, path


def test_files_are_short_enough_to_understand() -> None:
    """A file that makes one scroll has two ideas in it."""
    for path in SOURCES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= LONGEST_FILE, f"{path}: {lines} lines"


def test_front_pages_hold_no_code() -> None:
    """An `__init__.py` is a page to read: a docstring and nothing else."""
    for room in ROOMS:
        for path in (ROOT / room).rglob("__init__.py"):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert [type(node) for node in body] == [ast.Expr], path


def test_every_file_says_what_it_does() -> None:
    """A reader learns from the first lines what a file is for."""
    for path in SOURCES:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_every_lint_ignore_has_a_reason() -> None:
    """Each ignored rule stands beside the reason it is ignored."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[tool.ruff.lint]")[1].split("[tool.ruff.lint.pydocstyle]")[0]
    for line in section.splitlines():
        if line.strip().startswith('"') and line.rstrip().split("#")[0].strip().endswith(","):
            assert "#" in line, line


def test_the_package_may_not_be_uploaded() -> None:
    """Stillhouse is an application: the classifier keeps it off public indexes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "Private :: Do Not Upload" in project["classifiers"]
