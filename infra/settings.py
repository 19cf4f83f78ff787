"""Settings: the only reader of the environment.

Reads `STILLHOUSE_*` variables; writes nothing but the environment of this process
(`Settings.prepare_process`). Settings enter at the top (command, flows) and travel as arguments.
They hold no secrets: Prefect shows parameters to whoever opens its page.
"""

from __future__ import annotations

import os
import secrets
import sys
import warnings
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.errors import UsageError
from infra.log_lines import JSON, PLAIN, redacted
from infra.storage import disk_errors, ensure_free

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOG_FORMAT_VARIABLE = "STILLHOUSE_LOG_FORMAT"

# No call leaves the machine unless asked, nothing is unpickled, libraries keep to one thread in
# each worker (decoder threads x torch threads x processes is the usual way to lose a machine).
PROCESS_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
    # A first start makes its database: 12 s idle, more than the usual 20 on a busy machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray prints a worker's death on stdout, where results go; deaths come back as outcomes.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # With a pause that doubles from 4 s: half a minute for a server to come back. Seven, as MLflow
    # has it, would be four minutes a call.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "OPENVINO_TELEMETRY_OPT_OUT": "1",
    # Activations over 32 MiB are page-faulted on every call without these (1.55 x at batch 64).
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "2147483648",
}

# Libraries keep to one thread in a worker; one that wants more (training) says so itself.
WORKER_ENVIRONMENT = PROCESS_ENVIRONMENT | {
    "OMP_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    # Threads that wait for work by spinning: on a busy machine two took 6 x as long as one.
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


class Settings(BaseSettings):
    """Everything that may differ between a laptop and a cluster, with its unit.

    Each field is set by `STILLHOUSE_<NAME>`; `home` also by `--home`.
    """

    model_config = SettingsConfigDict(
        env_prefix="STILLHOUSE_",
        extra="forbid",
        frozen=True,
        # What is refused may be a secret, and an error is kept by whoever shows it.
        hide_input_in_errors=True,
    )

    home: Path = Field(default=Path(".stillhouse"), description="catalog, models, assets and state")
    catalog_uri: str | None = Field(default=None, description="catalog elsewhere than home/catalog")
    mlflow_tracking_uri: str | None = Field(
        default=None, description="MLflow elsewhere than home/mlflow"
    )
    s3_endpoint: str | None = Field(
        default=None, description="an S3-compatible store's address; None: AWS_ENDPOINT_URL, or AWS"
    )
    ray_address: str | None = Field(
        default=None, description="a Ray cluster; None starts a local one"
    )
    cpus: int = Field(
        default_factory=lambda: len(os.sched_getaffinity(0)),
        ge=1,
        description="cores to work with, of all machines of a cluster together",
    )
    object_store_bytes: int = Field(default=256 << 20, ge=80 << 20, description="of a local Ray")

    log_format: Literal["plain", "json"] = Field(
        default="plain", description="of log lines: key=value, or a JSON object a line"
    )
    metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="serve /metrics there on loopback during a flow"
    )

    clip_max_ns: int = Field(default=2_000_000_000, gt=0, description="longest clip")
    clip_min_ns: int = Field(
        default=320_000_000, gt=0, description="a shorter remainder gives no clip"
    )
    grid_step_ns: int = Field(
        default=80_000_000, gt=0, description="the session grid: 12.5 per second"
    )
    heldout_fraction: float = Field(
        default=0.4, gt=0, lt=1, description="of unrelated session groups"
    )

    sync_max_offset_ns: int = Field(
        default=60_000_000_000, gt=0, description="cameras that started further apart are not tied"
    )
    sync_min_confidence: float = Field(
        default=0.85, gt=0, le=1, description="below it a session is called unsynchronised"
    )

    group_by_time: bool = Field(
        default=False, description="join single recordings whose files claim the same time"
    )

    max_file_bytes: int = Field(default=1 << 40, gt=0, description="a larger file is refused")
    max_ratio: float = Field(
        default=200.0, ge=1, description="a compressed member that expands more is refused"
    )
    max_pixels: int = Field(default=8192 * 8192, gt=0, description="a larger frame is refused")
    max_frames: int = Field(default=50_000_000, gt=0, description="a longer recording is refused")
    max_seconds: int = Field(
        default=31 * 86_400, gt=0, description="frames further apart have no true times"
    )
    scan_timeout_s: float = Field(
        default=3600.0, gt=0, description="deadline of one recording's scan"
    )
    batch_clips: int = Field(default=16, ge=1, description="clips one worker takes at a time")
    min_free_bytes: int = Field(default=64 << 20, description="stop before the disk is this full")

    @field_validator("catalog_uri", "mlflow_tracking_uri", "s3_endpoint", "ray_address")
    @classmethod
    def _without_password(cls, address: str | None) -> str | None:
        if address is not None and redacted(address) != address:
            raise ValueError(
                "it holds a password or key, which would stand in logs and in Prefect: set "
                "MLFLOW_TRACKING_USERNAME and _PASSWORD, PGPASSFILE or AWS_* instead"
            )
        return address

    @cached_property
    def root(self) -> Path:
        """Home as an absolute path."""
        return self.home.expanduser().absolute()

    @property
    def catalog(self) -> str:
        """Folder or URI of the catalog's tables."""
        return self.catalog_uri or str(self.root / "catalog")

    @property
    def assets(self) -> Path:
        """Folder of fetched and verified assets."""
        return self.root / "assets"

    @property
    def generations(self) -> Path:
        """Folder of generated video."""
        return self.root / "generations"

    @property
    def metrics(self) -> Path:
        """Folder of metrics of the last runs, a file a flow, for a collector of text files."""
        return self.root / "metrics"

    @property
    def state(self) -> Path:
        """Folder of locks, Ray's and Prefect's own files, and unfinished work."""
        return self.root / "state"

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking and registry URI."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.root / 'mlflow' / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Folder of MLflow's artifacts when no server is set."""
        return (self.root / "mlflow" / "artifacts").resolve()

    def as_environment(self) -> dict[str, str]:
        """Return what was set, but home, as the variables that a process elsewhere reads."""
        given = self.model_dump(include=self.model_fields_set - {"home"})
        return {f"STILLHOUSE_{k.upper()}": str(v) for k, v in given.items() if v is not None}

    def prepare_process(self) -> None:
        """Set this process's environment before Prefect, Ray, MLflow or torch are imported.

        What the user has set already is kept, save that Prefect's state lives in our home.
        """
        for name, value in PROCESS_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        os.environ.setdefault("PREFECT_HOME", str(self.state / "prefect"))
        # Before the first flow there is no home, and looking at one does not make it.
        warnings.filterwarnings("ignore", message="Failed to create the Prefect home")
        os.environ.setdefault("MLFLOW_TRACKING_URI", self.tracking_uri)
        if self.s3_endpoint:
            # Where stores' clients look, in workers too: those of a cluster have it, as they have
            # their credentials, from their own environment.
            os.environ["AWS_ENDPOINT_URL"] = self.s3_endpoint
        if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            # Whoever names such an address means it; the tables' logs ask once more.
            os.environ.setdefault("AWS_ALLOW_HTTP", "true")
        if self.ray_address is None and "ray" not in sys.modules:
            # A local Ray has a token of its own, or any user of this machine could run code
            # through its ports. Ray reads both when it is imported and never again.
            os.environ["RAY_AUTH_MODE"] = "token"
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))

    def prepare_home(self) -> None:
        """Make the folder that Prefect's database needs to be there before its server starts.

        Raises:
            HomeNotWritableError, DiskFullError: the home folder cannot take it.
        """
        with disk_errors(self.root):
            Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
        ensure_free(self.root, self.min_free_bytes)


def load_settings(home: Path | str | None = None) -> Settings:
    """Read the settings from the environment, with `home` replaced if given."""
    return Settings() if home is None else Settings(home=Path(home))


def asked_log_format() -> str:
    """Return the format of log lines that the environment asks for; local workers inherit it."""
    return JSON if os.environ.get(LOG_FORMAT_VARIABLE, "").lower() == JSON else PLAIN


def page_token() -> str | None:
    """Return the secret that the page asks for, None where none is set.

    `STILLHOUSE_PAGE_TOKEN`, or the first line of the file that `STILLHOUSE_PAGE_TOKEN_FILE` names.
    No field of `Settings`: those travel to workers and stand in Prefect's pages.

    Raises:
        UsageError: the file cannot be read.
    """
    path = os.environ.get("STILLHOUSE_PAGE_TOKEN_FILE")
    if not path:
        return os.environ.get("STILLHOUSE_PAGE_TOKEN") or None
    try:
        return Path(path).read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"STILLHOUSE_PAGE_TOKEN_FILE names {path}, which cannot be read.",
            command=f"ls -l {path}",
        ) from error


@contextmanager
def child_environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Let processes started inside the block inherit these variables too, or not (None)."""
    before = {name: os.environ.get(name) for name in variables}
    _set_variables(variables)
    try:
        yield
    finally:
        _set_variables(before)


def _set_variables(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
