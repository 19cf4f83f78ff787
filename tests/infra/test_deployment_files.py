"""What a team deploys by names only what is there: commands, variables, secrets, limits."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from flows.cli import app
from flows.deployments import POOL
from infra.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
K8S = INFRA / "k8s"
COMPOSE = yaml.safe_load((INFRA / "compose.yaml").read_text("utf-8"))
MANIFESTS = [
    one
    for path in sorted(K8S.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for one in yaml.safe_load_all(path.read_text("utf-8"))
]
# Read by the page alone, and no field of the settings: those travel to workers.
BESIDES = {"STILLHOUSE_PAGE_TOKEN", "STILLHOUSE_PAGE_TOKEN_FILE"}
KNOWN = {f"STILLHOUSE_{name.upper()}" for name in Settings.model_fields} | BESIDES
# Which files say STILLHOUSE_ARCHIVE: compose's own, a folder of the host.
OF_COMPOSE = {"STILLHOUSE_ARCHIVE"}
PROGRAMS = {"mlflow", "prefect", "python", "ray", "stillhouse"}


def pods(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  whatever YAML holds
    """Yield every specification of a pod, however deep."""
    if isinstance(value, dict):
        if "containers" in value:
            yield value
        for one in value.values():
            yield from pods(one)
    elif isinstance(value, list):
        for one in value:
            yield from pods(one)


CONTAINERS = [one for pod in pods(MANIFESTS) for one in pod["containers"]]


def commands() -> list[list[str]]:
    """Return every command of both, a shell's taken apart."""
    found: list[list[str]] = []
    for one in [*COMPOSE["services"].values(), *CONTAINERS]:
        words = [str(word) for word in one.get("command", ())]
        if words[:2] == ["sh", "-c"]:
            found += [part.split() for part in re.split(r"&& exec|&&", words[2])]
        else:
            found.append(words)
    return [words for words in found if words]


def ours() -> list[list[str]]:
    return [words[1:] for words in commands() if words[0] == "stillhouse"]


def test_every_variable_of_ours_is_one_that_is_read() -> None:
    """A setting that was renamed cannot stay behind in a file that nobody runs here."""
    files = [INFRA / "compose.yaml", INFRA / "Dockerfile", *K8S.glob("*.yaml"), *K8S.glob("*.env")]
    for path in files:
        named = set(re.findall(r"\bSTILLHOUSE_[A-Z0-9_]+", path.read_text("utf-8")))
        assert named <= KNOWN | OF_COMPOSE, path.name


def test_what_is_set_are_settings() -> None:
    """The values of both parse as settings, with the services they name."""
    values = dict(
        line.split("=", 1) for line in (K8S / "values.env").read_text("utf-8").splitlines()
    )
    for given in (values, COMPOSE["services"]["flows"]["environment"]):
        fields = {
            name.removeprefix("STILLHOUSE_").lower(): re.sub(r"\$\{\w+:-(.*)\}", r"\1", text)
            for name, text in given.items()
            if name.startswith("STILLHOUSE_")
        }
        settings = Settings(**fields)
        assert settings.ray_address is not None
        assert settings.tracking_uri == "http://mlflow:5000"


def test_every_command_of_ours_parses() -> None:
    """Each is one that the program has, with options that it has."""
    assert {words[0] for words in commands()} <= PROGRAMS | {"server"}
    assert {words[0] for words in ours()} == {"deploy", "page"}
    program = get_command(app)
    for words in ours():
        name, *options = words
        command = program.commands[name]  # type: ignore[attr-defined]
        command.make_context(name, list(options))
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_commands_of_others_are_there() -> None:
    """Subcommands and options of Prefect, MLflow and Ray are in the versions that are pinned."""
    import mlflow.cli
    import ray.scripts.scripts as of_ray

    for words in commands():
        if words[0] == "mlflow":
            known = {o for p in mlflow.cli.cli.commands[words[1]].params for o in p.opts}
        elif words[0] == "ray":
            known = {o for p in of_ray.cli.commands[words[1]].params for o in p.opts}
        elif words[0] == "prefect":
            assert words[1:3] in (["server", "start"], ["worker", "start"])
            assert "--pool" not in words or words[words.index("--pool") + 1] == POOL
            continue
        else:
            continue
        options = {word.split("=")[0] for word in words if word.startswith("--")}
        assert options <= known, words


def test_nothing_runs_as_root_or_without_limits() -> None:
    """Every container has a user that is none of root's, and may not take the whole machine."""
    for name, one in COMPOSE["services"].items():
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", one["user"]), name
        assert {"cpus", "memory"} <= one["deploy"]["resources"]["limits"].keys(), name
        assert one["cap_drop"] == ["ALL"], name
    for pod in pods(MANIFESTS):
        assert pod["securityContext"]["runAsNonRoot"]
        for one in pod["containers"]:
            assert not one["securityContext"]["allowPrivilegeEscalation"]
            assert one["resources"]["limits"] == one["resources"]["requests"]
    stages = (INFRA / "Dockerfile").read_text("utf-8").split("\nFROM ")[1:]
    assert all("\nUSER 1000:1000" in stage for stage in stages if " AS build" not in stage)


def test_ports_of_the_host_are_of_loopback() -> None:
    """What is published is published to this machine alone; the page asks for a token besides."""
    published = [port for one in COMPOSE["services"].values() for port in one.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert "STILLHOUSE_PAGE_TOKEN" in COMPOSE["services"]["page"]["environment"]
    kinds = {one["spec"].get("type", "ClusterIP") for one in MANIFESTS if one["kind"] == "Service"}
    assert kinds == {"ClusterIP"}


def test_services_that_last_are_looked_after() -> None:
    """Each has a health check, and what it keeps is in a volume that has a name."""
    for name, one in COMPOSE["services"].items():
        assert one["restart"] == "no" or "healthcheck" in one, name
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or volume.endswith(":/archive:ro"), name
        for needed in one.get("depends_on", {}):
            assert needed in COMPOSE["services"], name
    assert {one for one in COMPOSE["services"] if "depends_on" not in COMPOSE["services"][one]} == {
        "postgres",
        "store",
        "ray-head",
    }


def test_secrets_are_in_no_file(tmp_path: Path) -> None:
    """Each is a variable that `new_secrets.sh` writes, to a file that its owner alone reads."""
    file = tmp_path / "secrets.env"
    for code in (0, 1):  # what is there is not replaced
        done = subprocess.run(
            ["sh", INFRA / "new_secrets.sh", file], check=False, capture_output=True
        )
        assert done.returncode == code
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = dict(line.split("=") for line in file.read_text("utf-8").splitlines())
    assert len({*made.values()}) == len(made)
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in made.values())
    text = (INFRA / "compose.yaml").read_text("utf-8")
    assert set(re.findall(r"\$\{(\w+):\?", text)) == made.keys()
    for name, value in re.findall(
        r"^\s+(\w*(?:PASSWORD|TOKEN|SECRET|KEY)\w*): (.+)$", text, re.MULTILINE
    ):
        assert re.search(r"\$\{\w+:\?", value), name
    wanted = set()
    for one in CONTAINERS:
        for variable in one["env"]:
            if "valueFrom" in variable:
                wanted.add(variable["valueFrom"]["secretKeyRef"]["key"])
            else:
                assert not re.search("PASSWORD|TOKEN|SECRET", variable["name"]), variable
    assert wanted == made.keys()
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()
    assert {"infra/secrets.env", "infra/k8s/secrets.env"} <= set(ignored)


def test_both_hold_ray_to_its_token() -> None:
    """Head, workers and drivers have the one token, and are told to ask for it."""
    for name in ("ray-head", "ray-worker", "flows"):
        given = COMPOSE["services"][name]["environment"]
        assert given["RAY_AUTH_MODE"] == "token"
        assert "RAY_TOKEN" in given["RAY_AUTH_TOKEN"], name
    for one in CONTAINERS:
        named = {variable["name"] for variable in one["env"]}
        assert ("RAY_AUTH_TOKEN" in named) == (one["name"] in {"ray-head", "ray-worker", "flows"})


def test_the_cluster_is_of_the_ray_that_is_pinned() -> None:
    """Nodes and drivers of two versions do not talk to each other."""
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    (cluster,) = [one for one in MANIFESTS if one["kind"] == "RayCluster"]
    assert pinned is not None
    assert cluster["spec"]["rayVersion"] == pinned[1]
    workers = cluster["spec"]["workerGroupSpecs"][0]
    cores = int(workers["rayStartParams"]["num-cpus"]) * workers["replicas"]
    assert f"STILLHOUSE_CPUS={cores}\n" in (K8S / "values.env").read_text("utf-8")


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")
def test_kustomize_builds_what_the_files_say(tmp_path: Path) -> None:
    """Every object comes out, in its namespace, with the image's full name and its references."""
    shutil.copytree(K8S, tmp_path / "k8s")
    subprocess.run(["sh", INFRA / "new_secrets.sh", tmp_path / "k8s" / "secrets.env"], check=True)
    built = subprocess.run(
        ["kubectl", "kustomize", tmp_path / "k8s"], check=True, capture_output=True, text=True
    )
    found = [one for one in yaml.safe_load_all(built.stdout) if one["kind"] != "Namespace"]
    kinds = sorted(one["kind"] for one in MANIFESTS if one["kind"] != "Namespace")
    made = sorted(one["kind"] for one in found)
    assert made == sorted([*kinds, "ConfigMap", "ConfigMap", "Secret"])
    assert {one["metadata"]["namespace"] for one in found} == {"stillhouse"}
    names = {(one["kind"], one["metadata"]["name"]) for one in found}
    assert {("ConfigMap", "values"), ("ConfigMap", "mlflow-auth"), ("Secret", "secrets")} <= names
    images = {one["image"] for pod in pods(found) for one in pod["containers"]}
    assert images == {"registry.example.org/stillhouse:0.1.0"}
    for pod in pods(found):
        for volume in pod.get("volumes", ()):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            assert claim is None or ("PersistentVolumeClaim", claim) in names
