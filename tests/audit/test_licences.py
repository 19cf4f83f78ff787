"""Licences of what runs are permissive; one that is not is found, by whatever way it says so."""

from __future__ import annotations

from importlib.metadata import distributions
from typing import TYPE_CHECKING

import pytest
from licences import EXCEPTIONS, licence_of, main, needed

if TYPE_CHECKING:
    from pathlib import Path


def package(folder: Path, name: str, *lines: str) -> None:
    """Write the metadata of an installed package."""
    made = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    made.mkdir()
    head = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0"]
    (made / "METADATA").write_text("\n".join([*head, *lines]) + "\n")


def test_what_is_installed_may_be_carried(capsys: pytest.CaptureFixture[str]) -> None:
    """All that this environment needs to run, the exceptions by name apart."""
    assert main() == 0, capsys.readouterr().out
    assert "0 refused" in capsys.readouterr().out


def test_exceptions_are_needed_still() -> None:
    """An exception for a package that is gone, or mended, goes too."""
    there = {one.metadata["Name"]: one for one in needed("stillhouse", distributions())}
    for name, why in EXCEPTIONS.items():
        assert why
        assert licence_of(there[name], {}).refused


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("License-Expression: GPL-3.0-only", True),
        ("License-Expression: AGPL-3.0-or-later", True),
        ("License-Expression: MIT OR GPL-2.0-only", False),
        ("License-Expression: LGPL-2.1-or-later", False),
        ("License-Expression: Apache-2.0", False),
        ("License: GNU GPL v3", True),
        ("License: GNU Affero General Public License", True),
        ("License: GNU Lesser General Public License v3", False),
        ("License: BSD-3-Clause", False),
        ("License: UNKNOWN", True),
        ("Summary: says nothing", True),
        ("Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)", True),
        ("Classifier: License :: OSI Approved :: MIT License", False),
        ("Classifier: License :: OSI Approved", True),
    ],
)
def test_each_way_to_say_it_is_read(
    line: str,
    *,
    refused: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By expression, by classifier, by field; whoever may choose is free."""
    package(tmp_path, "stillhouse", "License-Expression: Apache-2.0", "Requires-Dist: the-library")
    package(tmp_path, "the-library", line)
    assert main([str(tmp_path)]) == int(refused)
    assert ("the-library 1.0" in capsys.readouterr().out) == refused


def test_only_what_runs_counts(tmp_path: Path) -> None:
    """Not what tests need; but what is needed by what is needed, and by its extras."""
    package(
        tmp_path,
        "stillhouse",
        "License-Expression: Apache-2.0",
        "Requires-Dist: Web_Kit[fast]>=1",
        'Requires-Dist: gpl-tester; extra == "dev"',
    )
    package(tmp_path, "web-kit", "License: MIT", 'Requires-Dist: turbo; extra == "fast"')
    package(tmp_path, "gpl-tester", "License: GPL")
    package(tmp_path, "turbo", "License: MIT")
    found = [
        one.metadata["Name"] for one in needed("stillhouse", distributions(path=[str(tmp_path)]))
    ]
    assert found == ["stillhouse", "turbo", "web-kit"]
    assert main([str(tmp_path)]) == 0
    (tmp_path / "turbo-1.0.dist-info" / "METADATA").write_text(
        "Name: turbo\nVersion: 1.0\nLicense: GPL\n"
    )
    assert main([str(tmp_path)]) == 1
