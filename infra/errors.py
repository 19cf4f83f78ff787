"""Every error Stillhouse raises by name. Reads and writes nothing.

One root; leaves are named by the situation. A leaf's docstring is its remedy, the message
is one clear sentence, and `command` is what the user can run next.
"""

from __future__ import annotations


class StillhouseError(Exception):
    """Something the user can act on; the command prints it as one sentence, no traceback."""

    exit_code = 1

    def __init__(self, message: str, *, command: str | None = None) -> None:
        super().__init__(message)
        self.command = command

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip from a Ray worker with the command kept."""
        return (_rebuild, (type(self), str(self), self.command))


def _rebuild(kind: type[StillhouseError], message: str, command: str | None) -> StillhouseError:
    return kind(message, command=command)


class UsageError(StillhouseError):
    """The request itself is wrong: correct the argument named in the message."""

    exit_code = 2


class ArchiveNotFoundError(UsageError):
    """No such archive: check the path or URI, and that the disk is mounted."""


class ArchiveUnreadableError(StillhouseError):
    """The folder or file exists but may not be read: mend its permissions."""


class ArchiveDamagedError(StillhouseError):
    """A tar or zip is cut short, damaged or a bomb: fetch it again, or unpack what is left."""


class ManifestInvalidError(UsageError):
    """A manifest's row or column is wrong: mend the one named in the message."""


class ArchiveEmptyError(UsageError):
    """The archive holds no file to ingest: name another folder."""


class UnknownViewError(UsageError):
    """No view of that name: `stillhouse extract --help` lists them."""


class UnknownPresetError(UsageError):
    """No preset of that name: `stillhouse distill --help` lists them."""


class UnknownApplicationError(UsageError):
    """No application of that name: `stillhouse generate --help` lists them."""


class ApplicationOptionError(UsageError):
    """An application has no such option, or not with this value: see its `--help`."""


class InputFileError(UsageError):
    """A file that was handed over cannot be read, or is no such file: the message says why."""


class LabelFileError(UsageError):
    """A label file cannot be read: mend what the message names; `stillhouse label --help`."""


class UnknownModelError(UsageError):
    """No model of that name can be distilled: `stillhouse distill --help` lists them."""


class UnknownCorruptionError(UsageError):
    """No corruption or severity of that name: the message names those there are."""


class UnknownMethodError(UsageError):
    """No way to refine codes has that name: `stillhouse distill --help` lists them."""


class UnknownTableError(UsageError):
    """No table of that name: `stillhouse show` lists them."""


class RegionInvalidError(UsageError):
    """A box, mask or colour cannot be used on this frame: correct what the message names."""


class EditListInvalidError(UsageError):
    """An edit list cannot be cut: correct the entry that the message names."""


class SelectionInvalidError(UsageError):
    """The SQL does not run or gives no clip_id column: try it with `stillhouse sql`."""


class SelectionEmptyError(UsageError):
    """The selection matches nothing: try it with `stillhouse sql`."""


class CatalogEmptyError(StillhouseError):
    """Nothing has been ingested yet: run `stillhouse ingest FOLDER`."""


class ScheduledWorkError(StillhouseError):
    """Part of a scheduled run failed; what did not depend on it was done."""


class NoServerError(StillhouseError):
    """No Prefect server answers where `PREFECT_API_URL` says, or it does not say."""


class ConservationError(StillhouseError):
    """Inputs are not the sum of their outcomes: a defect of Stillhouse, please report it."""


class SplitImpossibleError(StillhouseError):
    """Too few unrelated sessions to hold one out: ingest another recording."""


class NoChampionError(StillhouseError):
    """No model has been promoted: run `stillhouse distill` and `stillhouse promote`."""


class NoCodesError(StillhouseError):
    """No codes serve that could be refined or chosen among: run `stillhouse reindex`."""


class CodesWithoutBytesError(UsageError):
    """These codes are vectors without symbols: refine those of the distiller instead."""


class ModelNotFoundError(StillhouseError):
    """The registry has no such model version: `stillhouse show models` lists them."""


class ModelInvalidError(StillhouseError):
    """The model's files do not fit its config or digest: register it again."""


class ModelArchitectureError(ModelInvalidError):
    """The model is of an architecture not known here: use the version that made it, or distill."""


class ExportUnsupportedError(StillhouseError):
    """Part of the model cannot be exported: export another, `stillhouse show models` lists them."""


class ExporterMissingError(StillhouseError):
    """What writes this format is not installed: install the optional extra `executorch`."""


class TrackingUnavailableError(StillhouseError):
    """MLflow does not answer, or fails: start its server, then run what the message names."""


class NothingKeptError(UsageError):
    """No trained model waits to be registered: `stillhouse distill` trains one."""


class MissingBaselineError(StillhouseError):
    """A result came without its baselines: a result without its baseline is not a result."""


class NothingToLearnError(StillhouseError):
    """There are no features to train on: run `stillhouse extract`, or ingest more."""


class TooFewClassesError(StillhouseError):
    """There are no labels of two kinds to tell apart: `stillhouse label FILE` brings them."""


class NonFiniteFeaturesError(StillhouseError):
    """Features hold NaN or infinity: extract the clips named again, or leave them out."""


class TrainingDivergedError(StillhouseError):
    """The loss became NaN or infinite: lower the learning rate."""


class AssetMissingError(StillhouseError):
    """A pinned file is not in the cache: run `stillhouse assets fetch`."""


class AssetCorruptError(StillhouseError):
    """A fetched file is not the pinned one: run `stillhouse assets fetch --force`."""


class RendererMissingError(StillhouseError):
    """Scenes cannot be rendered: install the optional extra `render` (pybullet, zlib licence)."""


class DiskFullError(StillhouseError):
    """The disk is full: free space, run the same command again; nothing half written counts."""


class StoreUnavailableError(StillhouseError):
    """The object store of the catalog fails: once it answers, run the same command again."""


class HomeNotWritableError(StillhouseError):
    """The home folder cannot be written: set STILLHOUSE_HOME to one that can."""


class MediaError(StillhouseError):
    """One file or clip cannot be read as video; it goes to quarantine with `reason`.

    `reason` is a stable word for tables and tests (`not_a_video`, `no_video_stream`,
    `empty_file`, `no_frames`, `decode_timeout`, `decoder_crashed`, `limit_pixels`, ...; of members
    of a tar or zip also `damaged_member`, `link_member`, `sparse_member`, `encrypted`,
    `unknown_packing`, `limit_bytes`, `limit_ratio`).
    """

    def __init__(
        self, message: str, *, reason: str = "unreadable", command: str | None = None
    ) -> None:
        super().__init__(message, command=command)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the reason on the trip between processes."""
        return (_rebuild_media, (type(self), str(self), self.reason))


def _rebuild_media(kind: type[MediaError], message: str, reason: str) -> MediaError:
    return kind(message, reason=reason)


class CalibrationInvalidError(StillhouseError):
    """A calibration file cannot be used: correct the field named in the message."""


class TableMismatchError(StillhouseError):
    """Rows, or a stored table, do not fit the declared schema: please report it as a defect."""


class CatalogOutdatedError(TableMismatchError):
    """Another version made the catalog and it cannot be brought forward: ingest into a new one.

    Models, assets and generated videos stay: only STILLHOUSE_CATALOG_URI changes.
    """


class CatalogBusyError(StillhouseError):
    """Other machines commit to the catalog all the time: run the command again, it goes on."""


class ComputeUnavailableError(StillhouseError):
    """Ray cannot be reached or its workers do not live: check STILLHOUSE_RAY_ADDRESS, memory."""
