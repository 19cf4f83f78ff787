"""The models that can be distilled, by the name they have in the registry.

Reads and writes nothing. A new model is one recipe and one line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.errors import UnknownModelError, UsageError
from infra.usage import Usage
from tasks.actions.recipe import ActionRecipe
from tasks.depth.recipe import DepthRecipe
from tasks.distiller.recipe import DistillerRecipe
from tasks.manifold.recipe import ManifoldRecipe
from tasks.student.recipe import StudentRecipe
from tasks.style.recipe import StyleRecipe
from tasks.superresolution.recipe import SuperResolutionRecipe
from tasks.synthesis.recipe import SynthesisRecipe
from tasks.training.run_facts import training_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.training.recipe import Recipe, Work

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        SuperResolutionRecipe(),
        SuperResolutionRecipe(scale=4),
        SuperResolutionRecipe(reference=True),
        SuperResolutionRecipe(scale=4, reference=True),
        DistillerRecipe(),
        DepthRecipe(),
        ManifoldRecipe(),
        StudentRecipe(),
        SynthesisRecipe(),
        ActionRecipe(),
        StyleRecipe(),
    )
}


def recipe_named(name: str) -> Recipe:
    """Return the recipe of a model.

    Raises:
        UnknownModelError: there is none of that name.
    """
    if name not in RECIPES:
        raise UnknownModelError(
            f"There is no model {name!r}; there are {', '.join(RECIPES)}.",
            command="stillhouse distill --model super-resolution",
        )
    return RECIPES[name]


def taught_recipe(name: str, teacher: str | None) -> Recipe:
    """Return the recipe of a model that is to learn from a teacher of the registry.

    Raises:
        UnknownModelError: there is none of that name.
        UsageError: a teacher is named, and this model has none.
    """
    recipe = recipe_named(name)
    if teacher is None:
        return recipe
    if not isinstance(recipe, StudentRecipe):
        raise UsageError(
            f"The model {name!r} has no teacher; the student has.",
            command=f"stillhouse distill --model student --teacher {teacher}",
        )
    return StudentRecipe(teacher=teacher)


def make_model(work: Work) -> Iterator[dict[str, Any]]:
    """Train, save and judge; runs in a Ray task with every core of the machine to itself.

    To the result it adds `facts` (code and machine) and `usage` (memory and CPU time as curves).
    """
    with Usage() as usage:
        for found in recipe_named(work.plan.model).make(work):
            result = found.get("result")
            if result is None:
                yield found
                continue
            facts = training_facts(result.get("threads", work.settings.cpus))
            yield {"result": result | {"facts": facts, "usage": usage.curves()}}
