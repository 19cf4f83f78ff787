"""Which applications there are, by name. A new one is one file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from infra.errors import ApplicationOptionError, UnknownApplicationError
from tasks.applications.action import RecogniseActions
from tasks.applications.cut import Cut
from tasks.applications.edit import Edit
from tasks.applications.style import Stylise
from tasks.applications.super_resolution import SuperResolve
from tasks.applications.synthesis import Synthesise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.applications.application import Application

_KINDS: tuple[type[Application], ...] = (
    SuperResolve,
    Synthesise,
    Edit,
    Cut,
    Stylise,
    RecogniseActions,
)
APPLICATIONS = {kind.spec.name: kind for kind in _KINDS}


def application_of(name: str, parameters: Mapping[str, Any]) -> Application:
    """Return an application with these options, as they stand in a deployment or a row.

    Raises:
        UnknownApplicationError: there is none of this name.
        ApplicationOptionError: it has no such option, or not with this value.
    """
    kind = APPLICATIONS.get(name)
    if kind is None:
        raise UnknownApplicationError(
            f"There is no application {name!r}; there is {', '.join(APPLICATIONS)}.",
            command=f"stillhouse generate {next(iter(APPLICATIONS))}",
        )
    help_of = f"stillhouse generate {name} --help"
    unknown = [key for key in parameters if key not in kind.__dataclass_fields__]  # type: ignore[attr-defined]
    if unknown:
        raise ApplicationOptionError(f"{name} has no option {unknown[0]!r}.", command=help_of)
    try:
        return TypeAdapter(kind).validate_python(dict(parameters))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "options"
        raise ApplicationOptionError(
            f"{name}: {where}: {first['msg']}.", command=help_of
        ) from error
