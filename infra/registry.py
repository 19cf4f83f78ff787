"""The model registry: versions with their tags, the champion, and the weights as a folder.

Reads and writes MLflow's registry and the promotion lock in `home/state`. Start here for
everything of MLflow: runs are `tracking.py` and `past_runs.py`, weights in and out
`model_files.py`, verdicts `gate_records.py`. A version is a fact and never changes but for its
gates; the alias `champion` says which one serves.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from infra.errors import ModelNotFoundError, NoChampionError, UsageError
from infra.gate_records import record_gates, recorded_gates
from infra.model_files import DIGEST_TAG, download, place, register_model
from infra.past_runs import read_artifact_json
from infra.storage import disk_errors
from infra.tracking import Run, client, failed_with, is_empty, start_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.settings import Settings

__all__ = [
    "ModelVersion",
    "Run",
    "champion",
    "champion_digest",
    "champion_version",
    "download",
    "find_version",
    "names",
    "newest",
    "place_champion",
    "promotion_lock",
    "read_artifact_json",
    "record_gates",
    "recorded_gates",
    "register_model",
    "resolve",
    "rollback",
    "set_champion",
    "start_run",
    "version_info",
    "versions",
]

CHAMPION = "champion"
FORMER_TAG, WITHDRAWN_TAG = "former_champions", "rolled_back"
# Former champions kept for rollback; a tag holds 5,000 characters.
_FORMER_KEPT = 100
_URI = re.compile(r"(?:models:/)?([^/@\s'\"]+)(?:@([\w-]+)|/([1-9]\d*))?")
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model as the registry has it; `digest` is that of its weights."""

    name: str
    version: int
    run_id: str
    digest: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    created_ns: int

    @property
    def uri(self) -> str:
        """How MLflow names it."""
        return f"models:/{self.name}/{self.version}"

    @property
    def created(self) -> str:
        """When it was registered, UTC, to the second."""
        return datetime.fromtimestamp(self.created_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def names(settings: Settings) -> list[str]:
    """Return the names of all registered models."""
    if is_empty(settings):
        return []
    return sorted(model.name for model in client(settings).search_registered_models())


def versions(settings: Settings, name: str) -> list[ModelVersion]:
    """Return all versions of a model, oldest first; none if there is no such model."""
    return _search(settings, name, f"name = '{_plain(name)}'")


def find_version(settings: Settings, name: str, tag: str, value: str) -> int | None:
    """Return the newest version that carries a tag with this value, None if there is none."""
    found = _search(settings, name, f"name = '{_plain(name)}' and tags.{tag} = '{_plain(value)}'")
    return found[-1].version if found else None


def _search(settings: Settings, name: str, condition: str) -> list[ModelVersion]:
    if is_empty(settings):
        return []
    store = client(settings)
    found = store.search_model_versions(condition)
    if not found:
        return []
    aliases = store.get_registered_model(name).aliases
    return sorted((_version(one, aliases) for one in found), key=lambda one: one.version)


def newest(settings: Settings, name: str) -> int | None:
    """Return the newest version that was not rolled back, None if there is none."""
    found = [one.version for one in versions(settings, name) if WITHDRAWN_TAG not in one.tags]
    return max(found, default=None)


def version_info(settings: Settings, name: str, version: int) -> ModelVersion:
    """Return one version.

    Raises:
        ModelNotFoundError: no such model or version.
    """
    for found in versions(settings, name):
        if found.version == version:
            return found
    raise ModelNotFoundError(
        f"The registry has no model {name!r} version {version}.", command="stillhouse show models"
    )


def champion_version(settings: Settings, name: str) -> int | None:
    """Return the number of the version that serves, None if none does."""
    return _aliased(settings, name, CHAMPION)


def champion(settings: Settings, name: str) -> ModelVersion:
    """Return the version that serves.

    Raises:
        NoChampionError: none does.
    """
    found = champion_version(settings, name)
    if found is None:
        raise NoChampionError(
            f"No version of {name!r} has been promoted.", command=f"stillhouse promote {name}"
        )
    return version_info(settings, name, found)


def champion_digest(settings: Settings, name: str) -> str:
    """Return the digest of the weights that serve, "" if none do."""
    number = champion_version(settings, name)
    return "" if number is None else version_info(settings, name, number).digest


def place_champion(settings: Settings, name: str) -> str:
    """Put the champion's files among the assets, once; return their digest, "" if none serves.

    They lie in `assets/models/NAME/DIGEST`, where workers find them that never speak to MLflow.
    """
    number = champion_version(settings, name)
    if number is None:
        return ""
    model = version_info(settings, name, number)
    place(settings, model, settings.assets / "models" / name / model.digest)
    return model.digest


def resolve(settings: Settings, uri: str) -> ModelVersion:
    """Return the version that `models:/NAME/3`, `models:/NAME@alias` or `NAME` (champion) names.

    Raises:
        UsageError: that is not how a model is named.
        NoChampionError: the champion is meant and there is none.
        ModelNotFoundError: no such model, version or alias.
    """
    parsed = _URI.fullmatch(uri)
    if parsed is None:
        raise UsageError(
            f"{uri!r} is not a model: say models:/NAME@champion or models:/NAME/3.",
            command="stillhouse show models",
        )
    name, alias, number = parsed.groups()
    if number is not None:
        return version_info(settings, name, int(number))
    if alias in (None, CHAMPION):
        return champion(settings, name)
    found = _aliased(settings, name, alias)
    if found is None:
        raise ModelNotFoundError(
            f"No version of {name!r} is called {alias!r}.", command="stillhouse show models"
        )
    return version_info(settings, name, found)


def promotion_lock(settings: Settings, name: str) -> FileLock:
    """Return a lock to hold while gates are judged and the alias moved: one promotion at a time.

    MLflow switches an alias atomically, but cannot compare and set. The lock is this home's; two
    homes that share one MLflow server need a Prefect concurrency limit besides.
    """
    with disk_errors(settings.state):
        settings.state.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.state / f"promote-{_plain(name)}.lock")


def set_champion(settings: Settings, name: str, version: int) -> None:
    """Make a version the champion and remember the one before; hold `promotion_lock`.

    Raises:
        ModelNotFoundError: no such model or version.
    """
    version_info(settings, name, version)
    before = champion_version(settings, name)
    if before == version:
        return
    if before is not None:
        # Before the alias: killed in between, the newest former is the champion itself, which
        # `rollback` passes over.
        _set_former(settings, name, [*_former(settings, name), before])
    client(settings).set_registered_model_alias(name, CHAMPION, str(version))


def rollback(settings: Settings, name: str) -> tuple[int | None, int]:
    """Give the alias back to the champion before this one; return who lost and who got it.

    Takes the lock. The one that loses it is marked, and `newest` passes over it.

    Raises:
        NoChampionError: there was none before.
    """
    with promotion_lock(settings, name):
        now = champion_version(settings, name)
        former = _former(settings, name)
        while former and former[-1] == now:
            former.pop()
        if not former:
            raise NoChampionError(
                f"{name!r} had no champion before this one.", command="stillhouse show models"
            )
        back = former.pop()
        store = client(settings)
        if now is not None:
            # Before the alias: whoever promotes the newest next should not bring it back.
            store.set_model_version_tag(name, str(now), WITHDRAWN_TAG, "true")
        store.set_registered_model_alias(name, CHAMPION, str(back))
        _set_former(settings, name, former)
        return now, back


def _former(settings: Settings, name: str) -> list[int]:
    if is_empty(settings) or not versions(settings, name):
        return []
    tags = client(settings).get_registered_model(name).tags
    former: list[int] = json.loads(tags.get(FORMER_TAG, "[]"))
    return former


def _set_former(settings: Settings, name: str, former: list[int]) -> None:
    value = json.dumps(former[-_FORMER_KEPT:])
    client(settings).set_registered_model_tag(name, FORMER_TAG, value)


def _aliased(settings: Settings, name: str, alias: str) -> int | None:
    if is_empty(settings):
        return None
    from mlflow.exceptions import MlflowException

    try:
        return int(client(settings).get_model_version_by_alias(_plain(name), alias).version)
    except MlflowException as error:
        if failed_with(error, *_ABSENT):
            return None
        raise


def _version(found: Any, aliases: Mapping[str, Any]) -> ModelVersion:  # noqa: ANN401
    number = int(found.version)
    return ModelVersion(
        name=found.name,
        version=number,
        run_id=found.run_id or "",
        digest=found.tags.get(DIGEST_TAG, ""),
        tags=dict(found.tags),
        aliases=tuple(sorted(a for a, version in aliases.items() if int(version) == number)),
        created_ns=found.creation_timestamp * 1_000_000,
    )


def _plain(text: str) -> str:
    """Refuse what would end a string in MLflow's filter language or leave a folder."""
    if not re.fullmatch(r"[\w.:=+ -]+", text) or text.startswith("."):
        raise UsageError(f"{text!r} is not a name of the registry.")
    return text
