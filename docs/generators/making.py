"""The pages of applications and of models: what each makes, asks for and is judged by.

Reads `tasks/applications/`, the recipes of `tasks/training/recipes.py` and their presets.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

from generators.decisions import decisions
from generators.markdown import Pages, doc_of, literal, plain, table
from tasks.actions import presets as action_presets
from tasks.applications.catalogue import APPLICATIONS
from tasks.depth import presets as depth_presets
from tasks.distiller import presets as distiller_presets
from tasks.manifold import presets as manifold_presets
from tasks.student import presets as student_presets
from tasks.style import presets as style_presets
from tasks.superresolution import presets
from tasks.synthesis import presets as synthesis_presets
from tasks.training.recipes import RECIPES

if TYPE_CHECKING:
    from dataclasses import Field
    from typing import Any

    from tasks.applications.application import Application

# Which decisions are about which application and model; a test asks that none is left out.
APPLICATION_DECISIONS = {
    "super-resolution": (24,),
    "edit": (25,),
    "cut": (25,),
    "synthesis": (26,),
    "style": (27,),
    "action": (28,),
}
MODEL_DECISIONS = {
    **dict.fromkeys(presets.MODEL_NAMES, (24,)),
    "distiller": (17, 18),
    "depth": (14,),
    "manifold": (19,),
    "student": (22,),
    "synthesis": (26,),
    "action": (28,),
    "style": (27,),
}
PRESETS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(presets.MODEL_NAMES, presets.PRESETS),
    "distiller": distiller_presets.PRESETS,
    "depth": depth_presets.PRESETS,
    "manifold": manifold_presets.PRESETS,
    "student": student_presets.PRESETS,
    "synthesis": synthesis_presets.PRESETS,
    "action": action_presets.PRESETS,
    "style": style_presets.PRESETS,
}


def pages() -> Pages:
    """Return the page of applications and that of models."""
    return {
        "reference/applications.md": "\n".join(_applications()),
        "reference/models.md": "\n".join(_models()),
    }


def _applications() -> list[str]:
    rows = [(f"[{name}](#{name})", kind.spec.doc) for name, kind in APPLICATIONS.items()]
    parts = [
        "# Applications\n",
        (
            "An application is a use of the archive that ends in video: "
            "`stillhouse generate APPLICATION`, over any SQL selection of clips. Each video keeps "
            "its source's timing, colours and sound, has a picture beside it, and is a row of "
            "[generations](/reference/tables/generations.md): sources, spans, codes, model, "
            "parameters, quality. [How to add one](/guides/add-an-application.md).\n"
        ),
        table(("application", "what it makes"), rows),
    ]
    for name, kind in APPLICATIONS.items():
        spec = kind.spec
        parts += [f"## {name}\n", spec.doc, "", doc_of(kind), ""]
        served = f"the champion of {literal(spec.model)}" if spec.model else "no model"
        parts.append(f"It needs {served} and clips of at least {spec.least_cameras} camera(s).")
        if spec.table is not None:
            link = f"[{spec.table.name}](/reference/tables/{spec.table.name}.md)"
            parts.append(f"What it finds out are rows of {link}.")
        parts += [
            "",
            table(("option", "type", "default"), [_option(one) for one in _own(kind)]),
            (
                f"On the command line: [generate {name}](/reference/commands/generate-{name}.md). "
                f"How good it is, and why so: {decisions(APPLICATION_DECISIONS[name])}.\n"
            ),
        ]
    return parts


def _own(kind: type[Application]) -> list[Field[Any]]:
    return list(fields(kind))  # type: ignore[arg-type]  # each is a dataclass


def _option(one: Field[Any]) -> tuple[str, str, str]:
    default = "" if one.default is MISSING else literal(repr(one.default))
    return literal(one.name), literal(one.type), default


def _models() -> list[str]:
    rows = [
        (f"[{name}](#{name})", ", ".join(map(literal, PRESETS[name])), decisions(numbers))
        for name, numbers in MODEL_DECISIONS.items()
    ]
    parts = [
        "# Models\n",
        (
            "`stillhouse distill --model MODEL --preset PRESET` trains one on held-in sessions, "
            "judges it on held-out ones beside its baselines, session by session, and registers it "
            "in MLflow. It serves once [`stillhouse promote`](/reference/commands/promote.md) has "
            "held it against its gates. Weights are safetensors and a `config.json`; nothing is "
            "pickled.\n"
        ),
        table(("model", "presets", "decision"), rows),
        "How well each does, with the tables and what did not work, stands in its decision.\n",
    ]
    told: dict[str, str] = {}
    for name, recipe in RECIPES.items():
        module = type(recipe).__module__
        parts += [f"## {name}\n"]
        if module in told:
            parts += [f"As [{told[module]}](#{told[module]}); in the registry one of its own.\n"]
            continue
        told[module] = name
        rows = [(literal(key), _steps(one)) for key, one in PRESETS[name].items()]
        parts += [(sys.modules[module].__doc__ or "").strip(), ""]
        parts += [table(("preset", "what it is"), rows)]
    return parts


def _steps(preset: object) -> str:
    """Say what of a preset differs from the defaults of its kind."""
    said = []
    for one in fields(preset):  # type: ignore[arg-type]  # each is a dataclass
        value = getattr(preset, one.name)
        if one.name != "name" and value != one.default:
            said.append(f"{one.name.replace('_', ' ')} {value}")
    return plain(", ".join(said)) or "the defaults"
