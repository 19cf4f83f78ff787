"""What every application must do, and the files and options that are handed to one."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pytest

from infra.errors import ApplicationOptionError, InputFileError, UnknownApplicationError
from infra.inputs import keep_input
from infra.settings import Settings
from tasks.applications.catalogue import APPLICATIONS, application_of
from tasks.applications.video import CELL_WIDTH, Comparison
from tasks.containers.encoders import require_encoder
from tasks.generation.plan import target_of
from tasks.generation.requests import Encoding

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with nothing in it."""
    return Settings(home=tmp_path / "home")


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_application_is_built_from_its_own_parameters(name: str) -> None:
    """What stands in a row's `parameters` is enough to ask for the same again."""
    kind = APPLICATIONS[name]
    required = [one.name for one in fields(kind) if one.default is one.default_factory]  # type: ignore[arg-type]
    if required:
        pytest.skip(f"it cannot be asked for without {', '.join(required)}")
    first = application_of(name, {})
    assert kind.spec.name == name
    assert application_of(name, first.parameters()) == first


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_option_that_is_not_there_is_refused(name: str) -> None:
    """The message names the option and the help that lists those there are."""
    with pytest.raises(ApplicationOptionError, match="no option 'colour_of_joy'") as refused:
        application_of(name, {"colour_of_joy": "blue"})
    assert refused.value.command == f"stillhouse generate {name} --help"


def test_an_option_of_the_wrong_kind_is_refused() -> None:
    """A deployment's parameters are checked as a command's are."""
    with pytest.raises(ApplicationOptionError, match="input_side"):
        application_of("super-resolution", {"input_side": "wide"})


def test_an_application_that_is_not_there_is_refused() -> None:
    """The message names those there are."""
    with pytest.raises(UnknownApplicationError, match=r"teleportation.*super-resolution"):
        application_of("teleportation", {})


@pytest.mark.parametrize(
    ("codec", "pixel_format", "said"),
    [
        ("libx999", "yuv420p", "no encoder 'libx999'"),
        ("libx264", "pal8", "libx264 does not write pal8"),
        ("aac", "yuv420p", "aac does not write yuv420p"),
    ],
)
def test_an_encoding_that_cannot_be_written_is_refused(
    codec: str, pixel_format: str, said: str
) -> None:
    """Before any clip is decoded, not by the first worker."""
    with pytest.raises(ApplicationOptionError, match=said):
        require_encoder(codec, pixel_format)


def test_the_file_is_one_that_players_of_the_codec_open(tmp_path: Path) -> None:
    """An mp4 where its players know the codec, Matroska else."""
    assert target_of(tmp_path, "a", Encoding()).suffix == ".mp4"
    assert target_of(tmp_path, "a", Encoding(codec="ffv1")).suffix == ".mkv"


def test_a_file_is_kept_by_what_is_in_it(settings: Settings, tmp_path: Path) -> None:
    """The same bytes under two names are one file; changed bytes are another; a name finds it."""
    first, second = tmp_path / "a.PNG", tmp_path / "b.png"
    first.write_bytes(b"mask")
    second.write_bytes(b"mask")
    kept = keep_input(settings, first)
    assert kept == keep_input(settings, second)
    first.write_bytes(b"other")
    assert keep_input(settings, first) != kept
    second.unlink()
    assert kept.path.read_bytes() == b"mask"
    assert keep_input(settings, kept.name) == kept


def test_what_is_no_file_of_bearable_size_is_not_kept(settings: Settings, tmp_path: Path) -> None:
    """A folder, a pipe that never ends, a file too large, one that is not there."""
    large = tmp_path / "large.json"
    large.write_bytes(bytes(100))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "absent", large):
        with pytest.raises(InputFileError):
            keep_input(settings, path, most_bytes=99)
    with pytest.raises(InputFileError, match="is no file"):
        keep_input(settings, tmp_path / "pipe")


def test_a_comparison_shows_moments_spread_over_the_clip() -> None:
    """Three of a hundred frames, each as wide as the others, whatever their sizes."""
    comparison = Comparison(100)
    kept = []
    for t_ns in range(100):
        if comparison.wants(t_ns):
            kept.append(t_ns)
            comparison.add(
                {"source": np.zeros((9, 16, 3), np.uint8), "made": np.ones((18, 32, 3), np.uint8)}
            )
    assert kept == [16, 50, 83]
    assert comparison.picture().shape[1] == 2 * (CELL_WIDTH + 4)
