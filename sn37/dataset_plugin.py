"""Building blocks of a data-set plug-in: its parameters as a pydantic model, and a factory.

class Settings(Parameters):
    url: str = Field(pattern="^https://")

def build() -> DatasetPlugin:
    return LivePlugin(name="questions", parameters=Settings, connect=Questions)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sn37.domain.schedule.competition import Freshness, ParameterValue
from sn37.domain.schedule.methods import Method
from sn37.ports.dataset import (
    DatasetPlugin,
    Described,
    Description,
    LiveDataset,
    ParameterDescription,
    StaticDataset,
)
from sn37.wrong_values import reason, shown


class Parameters(BaseModel):
    """Base class of a source's parameters; rejects unknown names, NaN and wrong types.

    The number 3 is not accepted as a text. Arrays of the schedule arrive as tuples: declare
    them as ``tuple[str, ...]``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class NoParameters(Parameters):
    """Parameters of a source that takes none."""


P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePlugin(Generic[P]):
    """Plug-in of a source that keeps producing rows.

    ``connect`` makes the source from its parameters and does no I/O.
    """

    name: str  # of the entry point
    parameters: type[P]
    connect: Callable[[P], LiveDataset]
    method: Method = Method.REFERENCE_LOSS  # by which models are usually scored on its samples
    packages: tuple[str, ...] = ()  # that reading imports, beyond the distribution's dependencies
    install: str = ""  # what ``pip install`` needs to install them

    @property
    def freshness(self) -> Freshness:
        return Freshness.LIVE

    def open(self, parameters: Mapping[str, ParameterValue]) -> LiveDataset:
        """See the port."""
        return self.connect(checked(self.name, self.parameters, parameters))

    def describe(self) -> Description:
        """See ``Described`` of the port."""
        return replace(
            described(self.parameters, self.method), packages=self.packages, install=self.install
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticPlugin(Generic[P]):
    """Plug-in of a source that does not change: a pinned revision or a generator."""

    name: str
    parameters: type[P]
    connect: Callable[[P], StaticDataset]
    method: Method = Method.REFERENCE_LOSS
    packages: tuple[str, ...] = ()
    install: str = ""

    @property
    def freshness(self) -> Freshness:
        return Freshness.NONE

    def open(self, parameters: Mapping[str, ParameterValue]) -> StaticDataset:
        """See the port."""
        return self.connect(checked(self.name, self.parameters, parameters))

    def describe(self) -> Description:
        """See ``Described`` of the port."""
        return replace(
            described(self.parameters, self.method), packages=self.packages, install=self.install
        )


def described(model: type[Parameters], method: Method) -> Description:
    """Return a source's usual method with its parameters, for an author of schedules."""
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    return Description(
        method=method,
        parameters=tuple(
            ParameterDescription(
                name=name,
                takes=", ".join(_limits(field, name in required)),
                is_required=name in required,
                default=_plain(field.get("default")),
            )
            for name, field in schema.get("properties", {}).items()
        ),
    )


def _plain(value: object) -> ParameterValue | None:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        inner = [plain for each in value if (plain := _plain(each)) is not None]
        return tuple(inner) if len(inner) == len(value) else None
    return None


def checked(source: str, model: type[P], parameters: Mapping[str, ParameterValue]) -> P:
    """Return ``parameters`` as an instance of ``model``.

    Raises:
        ValueError: A parameter is unknown, missing or out of range; the message names the
            source, the parameter and the values it takes.
    """
    try:
        return model.model_validate(dict(parameters))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = ".".join(map(str, problem["loc"]))
        raise ValueError(f"source {source}: {_explain(name, problem, model)}") from error


def _explain(name: str, problem: Mapping[str, object], model: type[Parameters]) -> str:
    known = _accepted(model)
    if problem["type"] == "extra_forbidden":
        return f"unknown parameter {name}; it takes {'; '.join(known.values()) or 'none'}"
    if problem["type"] == "missing":
        return f"parameter {name} is missing; it is {known[name]}"
    message = reason(problem)
    if not name:  # a rule of the model on several parameters
        return message
    takes = known.get(name.partition(".")[0], "")
    return f"parameter {name} is {shown(problem['input'])}: {message}; it takes {takes}"


def _accepted(model: type[Parameters]) -> dict[str, str]:
    """Describe each parameter, for example ``limit (integer, at least 1, default 10)``."""
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    return {
        name: f"{name} ({', '.join(_limits(field, name in required))})"
        for name, field in schema.get("properties", {}).items()
    }


_WORDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "pattern": "matching {}",
}


def _limits(field: Mapping[str, object], is_required: bool) -> list[str]:
    choices = field.get("enum") or ([field["const"]] if "const" in field else None)
    if isinstance(choices, list):
        said = ["one of " + " ".join(map(str, choices))]
    else:
        said = [str(field.get("type", "a table or a choice"))]
    said += [words.format(field[key]) for key, words in _WORDS.items() if key in field]
    if not is_required:
        default = field.get("default")
        said.append(f"default {default if isinstance(default, str) else json.dumps(default)}")
    return said


if TYPE_CHECKING:

    def _conforms(live: LivePlugin[NoParameters], static: StaticPlugin[NoParameters]) -> None:
        _: tuple[DatasetPlugin, ...] = (live, static)
        __: tuple[Described, ...] = (live, static)
